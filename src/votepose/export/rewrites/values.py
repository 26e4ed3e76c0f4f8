"""What rewrites need to know of a graph: which values are constant, and which are used."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator
from onnx.utils import Extractor


def input_dependent(graph: onnx.GraphProto) -> set[str]:
    """The names of all values that depend on the graph's inputs."""
    depending = {value.name for value in graph.input}
    for node in graph.node:
        if depending.intersection(node.input):
            depending.update(node.output)
    return depending


def drop_unread(graph: onnx.GraphProto) -> None:
    """Drop the nodes and constants that are not used."""
    read, kept = {value.name for value in graph.output}, []
    for node in reversed(graph.node):
        if read.intersection(node.output):
            read.update(node.input)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    constants = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(constants)


def computed(model: onnx.ModelProto, names: list[str]) -> dict[str, np.ndarray]:
    """Evaluate these constant expressions."""
    if not names:
        return {}
    told = {value.name for value in model.graph.value_info}
    model.graph.value_info.extend(helper.make_empty_tensor_value_info(name) for name in names if name not in told)
    part = Extractor(model).extract_model([], names)
    return dict(zip(names, ReferenceEvaluator(part).run(None, {}), strict=True))
