"""Opens a weights file of either kind for evaluation. ONNX files need no torch."""

from __future__ import annotations

import math
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
        preset = str(predictor.metadata.get("preset", "?"))
        return Model(predictor, predictor.skeleton, preset, predictor.input_size, _onnx_parameters(weights))
    from votepose.evaluation.network import network_model  # needs torch

    return network_model(weights, input_size, presence_threshold, levels)


def _onnx_parameters(weights: Path) -> int:
    """Number of values in the graph's constants: all parameters except the smallest tensors.

    Scales of 8-bit weights, vectors with several dimensions, are not counted.
    """
    import onnx

    constants = (t for t in onnx.load(weights).graph.initializer if t.data_type != onnx.TensorProto.INT64)
    shapes = [tuple(tensor.dims) for tensor in constants]
    return sum(math.prod(shape) for shape in shapes if len(shape) == 1 or math.prod(shape) > max(shape, default=1))
