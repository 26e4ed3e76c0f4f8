"""Exports the estimator as one ONNX graph from an image to people and, as optional outputs, their votes."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper
from onnx.reference import ReferenceEvaluator
from onnx.utils import Extractor
from torch import Tensor, nn

from votepose.models.estimator import PoseEstimator
from votepose.models.outputs import PoseOutputs, VoteOutputs

OPSET = 17
INPUT_NAMES = ["images", "presence_threshold"]
OUTPUT_NAMES = [*PoseOutputs._fields, *VoteOutputs._fields]


class Graph(nn.Module):
    """The exported computation: `PoseEstimator.explain` with its outputs as one tuple, in the order of
    `OUTPUT_NAMES`."""

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
    """Write the float32 graph to `path`, with dynamic batch, height and width, and return it."""
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
            input_names=INPUT_NAMES,
            output_names=OUTPUT_NAMES,
            dynamic_axes={
                "images": {0: "batch", 1: "height", 2: "width"},
                "presence": {0: "batch", 1: "rows", 2: "columns"},
                **{name: {0: "people"} for name in PoseOutputs._fields[:-1]},
                **{name: {0: "votes"} for name in VoteOutputs._fields},
            },
        )
    model = onnx.load(path)
    fold_pads(model)
    return model


def _copied(graph: Any, _: Any, source: Any, *__: Any) -> Any:
    """Export `copy_` into a tensor of the same shape and type, which fills MaxViT's position tables, as its source."""
    return graph.op("Identity", source)


def fold_pads(model: onnx.ModelProto) -> None:
    """Merge zero padding into convolutions: for a separate Pad node, the runtime would copy the whole input twice."""
    graph = model.graph
    readers = Counter([name for node in graph.node for name in node.input] + [value.name for value in graph.output])
    pads = {node.output[0]: node for node in graph.node if _pads_evenly(node) and readers[node.output[0]] == 1}
    depending = _depending(graph)  # some backbones' padding depends on the image size
    pairs = [
        (pads[node.input[0]], node)
        for node in graph.node
        if node.op_type == "Conv" and node.input[0] in pads and depending.isdisjoint(pads[node.input[0]].input[1:3])
    ]
    constants = _computed(model, sorted({name for pad, _ in pairs for name in pad.input[1:3] if name}))
    for pad, conv in pairs:
        amounts = constants[pad.input[1]]
        before, after = amounts.reshape(2, -1)
        value = constants[pad.input[2]] if len(pad.input) > 2 and pad.input[2] else 0
        if np.any(value) or before[:2].any() or after[:2].any() or amounts.min() < 0:  # not spatial, or a crop
            continue
        own = next((attribute for attribute in conv.attribute if attribute.name == "pads"), None)
        total = np.concatenate([before[2:], after[2:]]) + (own.ints if own else 0)
        if own:
            conv.attribute.remove(own)
        conv.attribute.append(helper.make_attribute("pads", total.tolist()))
        conv.input[0] = pad.input[0]
    _drop_unread(graph)


def _pads_evenly(node: onnx.NodeProto) -> bool:
    """Whether this is a Pad with a constant value, as the tracer writes it."""
    return node.op_type == "Pad" and all(x.s == b"constant" for x in node.attribute if x.name == "mode")


def _depending(graph: onnx.GraphProto) -> set[str]:
    """The names of all values that depend on the graph's inputs."""
    depending = {value.name for value in graph.input}
    for node in graph.node:
        if depending.intersection(node.input):
            depending.update(node.output)
    return depending


def _drop_unread(graph: onnx.GraphProto) -> None:
    """Remove nodes whose outputs are unused."""
    read, kept = {value.name for value in graph.output}, []
    for node in reversed(graph.node):
        if read.intersection(node.output):
            read.update(node.input)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))


def _computed(model: onnx.ModelProto, names: list[str]) -> dict[str, np.ndarray]:
    """Evaluate these constant expressions."""
    if not names:
        return {}
    told = {value.name for value in model.graph.value_info}
    model.graph.value_info.extend(helper.make_empty_tensor_value_info(name) for name in names if name not in told)
    part = Extractor(model).extract_model([], names)
    return dict(zip(names, ReferenceEvaluator(part).run(None, {}), strict=True))


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
