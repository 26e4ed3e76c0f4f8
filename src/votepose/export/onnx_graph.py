"""Exports the estimator as one ONNX graph from an image to people and, as optional outputs, their votes."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper
from torch import Tensor, nn

from votepose.export.rewrites.concatenations import split_convolutions
from votepose.export.rewrites.copies import drop_copies
from votepose.export.rewrites.pads import fold_pads
from votepose.export.rewrites.pixel_shuffles import merge_pixel_shuffles
from votepose.export.simplify import simplified
from votepose.inference.graph_outputs import INPUTS, OUTPUTS, PEOPLE, VOTES
from votepose.models.estimator import PoseEstimator

OPSET = 17


class Graph(nn.Module):
    """The exported computation: `PoseEstimator.explain` with its outputs as one tuple, in the order of
    `OUTPUTS`."""

    def __init__(self, estimator: PoseEstimator) -> None:
        super().__init__()
        self.estimator = estimator
        self.eval()  # the exporter restores the mode, and a new module starts in train mode

    def forward(self, images: Tensor, presence_threshold: Tensor) -> tuple[Tensor, ...]:
        people, votes = self.estimator.explain(images, presence_threshold)
        return (*people, *votes)


def noise(width: int, height: int, batch: int = 1) -> Tensor:
    """Images (batch, height, width, 3) uint8 in which a threshold of 0 finds people, which the tracer needs.

    They are always the same.
    """
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), dtype=np.uint8))


def trace(estimator: PoseEstimator, path: Path) -> onnx.ModelProto:
    """The float32 graph, with dynamic height, width and, without focus, batch; `path` is written in between."""
    batch = {} if estimator.focuses else {0: "batch"}
    estimator.network.backbone.fit_windows(64, 64)  # windows that fit the traced image would become constants
    torch.onnx.register_custom_op_symbolic("aten::copy", _copied, OPSET)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # warnings about shapes that are constant on purpose
        torch.onnx.export(
            Graph(estimator),
            (noise(256, 192), torch.tensor(0.0)),
            str(path),
            opset_version=OPSET,
            dynamo=False,
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_axes={
                "images": {**batch, 1: "height", 2: "width"},
                "presence": {**batch, 1: "rows", 2: "columns"},
                **{name: {0: "people"} for name in PEOPLE},
                **{name: {0: "votes"} for name in VOTES},
            },
        )
    model = onnx.load(path)
    fold_pads(model)
    drop_copies(model)
    split_convolutions(model)
    model = simplified(model, path)
    merge_pixel_shuffles(model)  # afterwards, since simplifying would store a whole map of the repeated bias
    return model


def _copied(graph: Any, _: Any, source: Any, *__: Any) -> Any:
    """Export `copy_` into a tensor of the same shape and type, which fills MaxViT's position tables, as its source."""
    return graph.op("Identity", source)


def save(model: onnx.ModelProto, metadata: dict[str, Any], path: Path) -> None:
    """Write the graph with votepose's metadata and short internal names."""
    _shorten(model)
    helper.set_model_props(model, {"votepose": json.dumps(metadata)})
    onnx.save(model, path)


def _shorten(model: onnx.ModelProto) -> None:
    """Replace the tracer's long names of inner values, which take half a megabyte for 4,000 nodes."""
    kept = {value.name for value in (*model.graph.input, *model.graph.output)}
    short: dict[str, str] = {name: name for name in ("", *kept)}
    for tensor in model.graph.initializer:
        tensor.name = short.setdefault(tensor.name, f"w{len(short)}")
    # Shapes of inner values, by their long names.
    del model.graph.value_info[:]
    for node in model.graph.node:
        node.ClearField("name")
        node.ClearField("doc_string")
        for names in (node.input, node.output):
            names[:] = [short.setdefault(name, f"v{len(short)}") for name in names]
