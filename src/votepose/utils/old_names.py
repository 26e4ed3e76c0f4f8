"""Names that have changed: maps for command lines and files that still use the old ones."""

from __future__ import annotations

OPTIONS = {  # on the command line
    "--teach": "--stage (votes, distill, backbone-heads, refiner or joint)",
    "--witness-weights": "--aux-weights",
    "--evaluate-pictures": "--evaluate-images",
    "--crop-pictures": "--crop-images",
}
NETWORK_FIELDS = {"second_look": "refiner", "witness": "aux_backbone", "prior": "proposals"}  # weights of format 5
TENSORS = {  # weights of format 5, by prefix; the first match is used
    "witness.": "aux_backbone.",
    "pointer.trust": "proposal_attention.logit_weight",
    "pointer.fit": "proposal_attention.distance_weight",
    "pointer.": "proposal_attention.",
    "second_look.detail.": "refiner.near.",
    "second_look.trust": "refiner.pose_prior_weight",
    "second_look.joint": "refiner.joint_embedding",
    "second_look.talk.": "refiner.joint_attention.",
    "second_look.judge.": "refiner.confidence_head.",
    "second_look.": "refiner.",
}
