"""Weights files of format 5, such as the bundled one: their names for things, and what they leave unsaid."""

from __future__ import annotations

from typing import Any

from votepose.grouping import PAPER, GroupingConfig

_FIELDS = {"second_look": "refiner", "witness": "aux_backbone", "prior": "proposals"}
_LEVELS = {"movenet": 3}  # of the presets of that time; others had one
_TENSORS = {
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
}  # the first prefix that fits counts


def upgraded(metadata: dict[str, Any]) -> dict[str, Any]:
    """Metadata of format 5 in the terms of format 6. Raises KeyError, TypeError or AttributeError for anything else."""
    network = {_FIELDS.get(name, name): value for name, value in metadata["network"].items()}
    paper = network.get("vectors") == "absolute"
    grouping = vars(PAPER if paper else GroupingConfig())
    return {**metadata, "network": network, "grouping": grouping, "levels": _LEVELS.get(metadata["preset"], 1)}


def upgraded_key(name: str) -> str:
    """A tensor's name in format 6."""
    prefix = next((old for old in _TENSORS if name.startswith(old)), "")
    return _TENSORS[prefix] + name.removeprefix(prefix) if prefix else name
