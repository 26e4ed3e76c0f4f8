"""How results were made: the note that is kept beside them, so that a run never goes on with others' results."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import votepose
from votepose.inference.weights import resolve_weights
from votepose.predictor import Predictor


def provenance(predictor: Predictor, weights: Path | None) -> dict[str, Any]:
    """What the poses in an image depend on, JSON-able; `weights` is the predictor's file, None for the bundled one."""
    return {
        "votepose": votepose.__version__,
        "weights": weights_digest(resolve_weights(weights, ".onnx")),
        "input size": predictor.input_size,
        "presence threshold": predictor.presence_threshold,
        "score threshold": predictor.score_threshold,
        "flip test": predictor.flip_test,
    }


def weights_digest(path: Path) -> str:
    """What tells a weights file from every other."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
