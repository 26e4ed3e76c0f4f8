"""How results were made: the note that is kept beside them, so that a run never goes on with others' results."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import votepose
from votepose.predictor import BUNDLED, Predictor


def provenance(predictor: Predictor, weights: Path | None) -> dict[str, Any]:
    """What the poses in an image depend on, JSON-able; `weights` is the predictor's file, None for the bundled one."""
    with open(weights or BUNDLED, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "votepose": votepose.__version__,
        "weights": digest[:16],
        "input size": predictor.input_size,
        "presence threshold": predictor.presence_threshold,
        "score threshold": predictor.score_threshold,
        "flip test": predictor.flip_test,
    }
