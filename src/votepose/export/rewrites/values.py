"""What rewrites need to know of a graph: which values are constant, and which are used."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
from onnx import helper, shape_inference
from onnx.reference import ReferenceEvaluator
from onnx.utils import Extractor


def input_dependent(graph: onnx.GraphProto) -> set[str]:
    """The names of all values that depend on the graph's inputs."""
    depending = {value.name for value in graph.input}
    for node in graph.node:
        if depending.intersection(node.input):
            depending.update(node.output)
    return depending


def reader_counts(graph: onnx.GraphProto) -> Counter[str]:
    """How many nodes and outputs of the graph read each value, by name."""
    return Counter([name for node in graph.node for name in node.input] + [value.name for value in graph.output])


def map_shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    """The shapes of all values with four dimensions, by name; 0 for a dimension that is not constant."""
    inferred = shape_inference.infer_shapes(model).graph.value_info
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in inferred}
    return {name: shape for name, shape in shapes.items() if len(shape) == 4}


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
    stated = {value.name for value in model.graph.value_info}
    model.graph.value_info.extend(helper.make_empty_tensor_value_info(name) for name in names if name not in stated)
    part = Extractor(model).extract_model([], names)
    return dict(zip(names, ReferenceEvaluator(part).run(None, {}), strict=True))
