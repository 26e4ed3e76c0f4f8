"""The settings that results depend on, saved beside them so that a resumed run never mixes different settings."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Protocol

from votepose.version import __version__


class Settings(Protocol):
    """The attributes of a `Predictor` that provenance reads."""

    @property
    def input_size(self) -> int:
        """Longest side of the network input, in pixels."""

    @property
    def presence_threshold(self) -> float:
        """Minimum presence for a cell to vote, in [0, 1]."""

    @property
    def score_threshold(self) -> float:
        """Minimum score of a person, in [0, 1]."""

    @property
    def flip_test(self) -> bool:
        """Whether results on the mirror image are averaged in."""


def provenance(predictor: Settings, weights: Path) -> dict[str, Any]:
    """The settings that the poses depend on, JSON-able. `weights` is the file that the predictor was loaded from."""
    return {
        "votepose": __version__,
        "weights": weights_digest(weights),
        "input size": predictor.input_size,
        "presence threshold": predictor.presence_threshold,
        "score threshold": predictor.score_threshold,
        "flip test": predictor.flip_test,
    }


def weights_digest(path: Path) -> str:
    """16 hexadecimal digits that identify a weights file: the start of its SHA-256."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
