"""The sinks of `votepose predict`: results, drawings, crops, contact sheet, joint angles."""
