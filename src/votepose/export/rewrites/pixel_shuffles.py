"""1x1 convolutions followed by a pixel shuffle, as transposed convolutions."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from votepose.export.rewrites.values import drop_unread, map_shapes, reader_counts


def merge_pixel_shuffles(model: onnx.ModelProto) -> None:
    """Merge pixel shuffles into the 1x1 convolutions before them: onnxruntime's own are as slow as the convolutions.

    The bias, which differs among the pixels of a block, becomes a map that is added.
    """
    graph = model.graph
    readers, shapes = reader_counts(graph), map_shapes(model)
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    convolutions = {node.output[0]: node for node in graph.node if _is_pointwise(node, weights)}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        convolution = convolutions.get(node.input[0]) if _is_shuffle(node) else None
        height, width = shapes.get(node.input[0], [0] * 4)[2:]  # 0 if they depend on the image
        can_add_bias = height > 0 and width > 0
        if convolution is None or readers[node.input[0]] > 1 or (len(convolution.input) > 2 and not can_add_bias):
            nodes.append(node)
        else:
            nodes += _merged(graph, convolution, node, weights, (height, width))
    del graph.node[:]
    graph.node.extend(nodes)
    drop_unread(graph)


def _merged(
    graph: onnx.GraphProto,
    convolution: onnx.NodeProto,
    shuffle: onnx.NodeProto,
    weights: dict[str, np.ndarray],
    size: tuple[int, int],
) -> list[onnx.NodeProto]:
    """The transposed convolution and, if the convolution has a bias, its addition."""
    source, name, *bias = convolution.input
    (out,) = shuffle.output
    block = next(x.i for x in shuffle.attribute if x.name == "blocksize")
    if f"{name}_merged" not in weights:
        kernel = weights[name].reshape(-1, block, block, weights[name].shape[1]).transpose(3, 0, 1, 2)
        _add(graph, weights, f"{name}_merged", kernel)
    merged = helper.make_node("ConvTranspose", [source, f"{name}_merged"], [out])
    merged.attribute.extend(helper.make_attribute(key, [block, block]) for key in ("kernel_shape", "strides"))
    if not bias:
        return [merged]
    merged.output[0] = f"{out}_unbiased"
    if f"{bias[0]}_block" not in weights:
        _add(graph, weights, f"{bias[0]}_block", weights[bias[0]].reshape(1, -1, block, block))
        _add(graph, weights, f"{bias[0]}_repeats", np.array([1, 1, *size], np.int64))
    return [
        merged,
        helper.make_node("Tile", [f"{bias[0]}_block", f"{bias[0]}_repeats"], [f"{out}_bias"]),
        helper.make_node("Add", [f"{out}_unbiased", f"{out}_bias"], [out]),
    ]


def _add(graph: onnx.GraphProto, weights: dict[str, np.ndarray], name: str, value: np.ndarray) -> None:
    weights[name] = np.ascontiguousarray(value)
    graph.initializer.append(numpy_helper.from_array(weights[name], name))


def _is_pointwise(node: onnx.NodeProto, weights: dict[str, np.ndarray]) -> bool:
    """Whether this is a 1x1 convolution of all channels with constant weights."""
    if node.op_type != "Conv" or any(name not in weights for name in node.input[1:]):
        return False
    plain = all(
        set(x.ints) <= ({0} if x.name == "pads" else {1}) and x.i <= 1
        for x in node.attribute
        if x.name in ("group", "strides", "pads", "dilations")
    )
    return plain and weights[node.input[1]].shape[2:] == (1, 1)


def _is_shuffle(node: onnx.NodeProto) -> bool:
    """Whether this is a pixel shuffle as in PyTorch, which has a block's pixels in neighbouring channels."""
    return node.op_type == "DepthToSpace" and any(x.name == "mode" and x.s == b"CRD" for x in node.attribute)
