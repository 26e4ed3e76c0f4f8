"""Nodes that only copy."""

from __future__ import annotations

import onnx
from onnx import shape_inference

from votepose.export.rewrites.values import drop_unread


def drop_copies(model: onnx.ModelProto) -> None:
    """Drop the nodes that only copy: casts of values that are of that type already, and concatenations of one."""
    graph = model.graph
    inferred = shape_inference.infer_shapes(model).graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*inferred.value_info, *inferred.input)}
    outputs = {value.name for value in graph.output}
    same: dict[str, str] = {}
    for node in graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]
        is_cast = node.op_type == "Cast" and types.get(node.input[0]) == node.attribute[0].i
        is_copy = is_cast or (node.op_type == "Concat" and len(node.input) == 1)
        if is_copy and node.output[0] not in outputs:
            same[node.output[0]] = node.input[0]
    drop_unread(graph)
