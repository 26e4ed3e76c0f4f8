"""Converts weights files of format 5, from before 2026-11-26, to format 6."""

from __future__ import annotations

from typing import Any

from votepose.grouping import PAPER, GroupingConfig
from votepose.utils.old_names import NETWORK_FIELDS, TENSORS

# Settings that files of format 5 did not store; all other networks use the defaults.
_LEVELS = {"movenet": 2}
_SPARSE = {"movenet"}


def upgraded(metadata: dict[str, Any]) -> dict[str, Any]:
    """Convert metadata of format 5 to format 6. Raises KeyError, TypeError or AttributeError for anything else."""
    network = {NETWORK_FIELDS.get(name, name): value for name, value in metadata["network"].items()}
    network["sparse_memory"] = metadata["preset"] in _SPARSE
    paper = network.get("vectors") == "absolute"
    grouping = vars(PAPER if paper else GroupingConfig())
    return {**metadata, "network": network, "grouping": grouping, "levels": _LEVELS.get(metadata["preset"], 1)}


def upgraded_key(name: str) -> str:
    """A tensor's name in format 6."""
    prefix = next((old for old in TENSORS if name.startswith(old)), "")
    return TENSORS[prefix] + name.removeprefix(prefix) if prefix else name
