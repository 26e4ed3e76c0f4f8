"""How results were made: the settings noted beside them, so that a resumed run never mixes results of two kinds."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Protocol

from votepose.version import __version__


class Settings(Protocol):
    """What provenance needs to know of a `Predictor`."""

    @property
    def input_size(self) -> int:
        """Longest side of the network input, in pixels."""

    @property
    def presence_threshold(self) -> float:
        """Presence from which a cell votes, in [0, 1]."""

    @property
    def score_threshold(self) -> float:
        """Score from which a person is kept, in [0, 1]."""

    @property
    def flip_test(self) -> bool:
        """Whether the mirror image is used too."""


def provenance(predictor: Settings, weights: Path) -> dict[str, Any]:
    """What the poses in an image depend on, JSON-able. `weights` is the file that the predictor was loaded from."""
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
