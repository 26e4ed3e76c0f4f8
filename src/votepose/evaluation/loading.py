"""Opens a weights file of either kind for evaluation. ONNX files need no torch."""

from __future__ import annotations

from pathlib import Path

from votepose.errors import VoteposeError
from votepose.evaluation.runner import Model
from votepose.predictor import load


def load_model(
    weights: Path, input_size: int | None = None, presence_threshold: float | None = None, levels: int | None = None
) -> Model:
    """Load a model: safetensors run with PyTorch, ONNX files with the runtime. None uses the weights' own setting.

    Raises:
        VoteposeError: if the weights cannot be read or an option is out of range.
    """
    if weights.suffix == ".onnx":
        if levels is not None:
            raise VoteposeError("--levels: is fixed in an exported file; use safetensors as --weights")
        predictor = load(weights, input_size=input_size, presence_threshold=presence_threshold, score_threshold=0.0)
        about = predictor.metadata
        preset, parameters = str(about.get("preset", "?")), int(about.get("parameters", 0))
        return Model(predictor, predictor.skeleton, preset, predictor.input_size, parameters)
    from votepose.evaluation.network import network_model  # needs torch

    return network_model(weights, input_size, presence_threshold, levels)
