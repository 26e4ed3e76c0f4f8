"""What a run of `votepose predict` writes, each as a sink: results, drawings, crops, a contact sheet, joint angles."""
