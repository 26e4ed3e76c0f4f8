"""Convolutions of concatenated maps, as sums of convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np
import onnx
from onnx import helper, numpy_helper

from votepose.export.rewrites.values import computed, drop_unread, input_dependent, map_shapes

Part = tuple[str, int]  # one of the maps that were concatenated: name and channels

_BLOCK = 16  # channels that onnxruntime's fast convolutions take at a time, with AVX-512


def split_convolutions(model: onnx.ModelProto) -> None:
    """Compute a convolution of concatenated maps as the sum of convolutions, if only some maps have whole blocks of
    channels: only for these does onnxruntime have a fast layout, and without the concatenation they stay in it.

    What else reads the concatenated maps, an average pool or a slice of whole maps, reads them one by one.
    """
    graph = model.graph
    channels = {name: shape[1] for name, shape in map_shapes(model).items() if shape[1]}
    weights = _weights(graph)
    constants = _slice_constants(model)
    parts: dict[str, list[Part]] = {}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        known = parts.get(node.input[0], []) if node.input else []
        if node.op_type == "Concat" and node.attribute[0].i == 1 and channels.keys() >= set(node.input):
            parts[node.output[0]] = [(name, channels[name]) for name in node.input]
        if _is_plain_convolution(node, weights):
            if not _is_mixed(known) and _has_few_left(weights[node.input[1]].dims):
                known = _sliced(graph, node, weights[node.input[1]].dims[1], nodes)
            nodes += _split(graph, node, known, weights) if _is_mixed(known) else [node]
        elif node.op_type == "AveragePool" and _is_mixed(known):
            pools, parts[node.output[0]] = _pooled(node, known)
            nodes += [*pools, _concat(parts[node.output[0]], node)]
        elif node.op_type == "Slice" and _is_mixed(known):
            chosen = _chosen(known, [constants.get(name) for name in node.input[1:]])
            nodes.append(_concat(chosen, node) if chosen else node)
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    drop_unread(graph)


def _concat(parts: Sequence[Part], instead: onnx.NodeProto) -> onnx.NodeProto:
    return helper.make_node("Concat", [name for name, _ in parts], instead.output, axis=1)


def _is_mixed(parts: Sequence[Part]) -> bool:
    """Whether some of the parts, and not all, have whole blocks of channels."""
    whole = sum(count for _, count in parts if count % _BLOCK == 0)
    return 0 < whole < sum(count for _, count in parts)


def _pooled(node: onnx.NodeProto, parts: Sequence[Part]) -> tuple[list[onnx.NodeProto], list[Part]]:
    """A pooling node for each part, and their outputs."""
    pools, outputs = [], []
    for i, (name, count) in enumerate(parts):
        outputs.append((f"{node.output[0]}_of_{i}", count))
        pools.append(helper.make_node("AveragePool", [name], [outputs[-1][0]]))
        pools[-1].attribute.extend(node.attribute)
    return pools, outputs


def _slice_constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """The constant bounds, axes and steps of slices, by name."""
    depending = input_dependent(model.graph)
    names = {name for node in model.graph.node if node.op_type == "Slice" for name in node.input[1:] if name}
    return computed(model, sorted(names - depending))


def _chosen(parts: Sequence[Part], bounds: Sequence[np.ndarray | None]) -> list[Part]:
    """The parts that a slice with these bounds (starts, ends, axes, steps) takes whole; none if it does not."""
    if len(bounds) < 3 or any(x is None or x.size != 1 for x in bounds):
        return []
    start, end, axis, step = (int(x.item()) for x in (*bounds, np.array(1))[:4] if x is not None)
    edges = np.cumsum([0, *(count for _, count in parts)]).tolist()
    start, end, _ = slice(start, end).indices(edges[-1])
    if axis != 1 or step != 1 or start not in edges or end not in edges or end <= start:
        return []
    return list(parts[edges.index(start) : edges.index(end)])


def _weights(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """The constants, by their names and by those that an Identity gives them for another pyramid level."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]]
    return weights


def _is_plain_convolution(node: onnx.NodeProto, weights: dict[str, onnx.TensorProto]) -> bool:
    groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    return node.op_type == "Conv" and groups == 1 and node.input[1] in weights


def _has_few_left(shape: Sequence[int]) -> bool:
    """Whether a kernel of this shape reads many whole blocks of channels, and one or two channels more."""
    return shape[1] >= 4 * _BLOCK and 0 < shape[1] % _BLOCK <= 2 and shape[2] > 1


def _sliced(graph: onnx.GraphProto, node: onnx.NodeProto, count: int, nodes: list[onnx.NodeProto]) -> list[Part]:
    """Slice the input of a convolution, of `count` channels, into whole blocks and the rest."""
    source, edges, parts = node.input[0], [0, count - count % _BLOCK, count], []
    constants = {tensor.name for tensor in graph.initializer}
    for value in {1, *edges}:
        if f"at_{value}" not in constants:
            graph.initializer.append(numpy_helper.from_array(np.array([value], np.int64), f"at_{value}"))
    for start, end in pairwise(edges):
        parts.append((f"{node.output[0]}_from_{start}", end - start))
        nodes.append(helper.make_node("Slice", [source, f"at_{start}", f"at_{end}", "at_1"], [parts[-1][0]]))
    return parts


def _split(
    graph: onnx.GraphProto,
    node: onnx.NodeProto,
    parts: Sequence[Part],
    weights: dict[str, onnx.TensorProto],
) -> list[onnx.NodeProto]:
    """The nodes that compute a convolution of the concatenated parts: neighbours without whole blocks stay together."""
    weight, own = weights[node.input[1]], node.output[0]
    total, start, nodes = "", 0, []
    groups = [list(group) for _, group in groupby(parts, lambda part: part[1] % _BLOCK == 0 and part[0])]
    for i, group in enumerate(groups):
        names, count = [name for name, _ in group], sum(count for _, count in group)
        share = f"{weight.name}_{start}"
        if share not in weights:
            array = numpy_helper.to_array(weight)[:, start : start + count]
            weights[share] = numpy_helper.from_array(np.ascontiguousarray(array), share)
            graph.initializer.append(weights[share])
        if len(names) > 1:
            nodes.append(helper.make_node("Concat", names, [f"{own}_in_{i}"], axis=1))
            names = [f"{own}_in_{i}"]
        convolution = helper.make_node("Conv", [names[0], share, *([] if i else node.input[2:])], [f"{own}_of_{i}"])
        convolution.attribute.extend(node.attribute)
        nodes.append(convolution)
        if i:
            total_so_far, total = total, own if i == len(groups) - 1 else f"{own}_sum_{i}"
            nodes.append(helper.make_node("Add", [total_so_far, f"{own}_of_{i}"], [total]))
        else:
            total = f"{own}_of_0"
        start += count
    return nodes
