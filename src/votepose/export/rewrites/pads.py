"""Padding that convolutions do themselves."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from votepose.export.rewrites.values import computed, drop_unread, input_dependent, reader_counts


def fold_pads(model: onnx.ModelProto) -> None:
    """Merge zero padding into convolutions: for a separate Pad node, the runtime would copy the whole input twice."""
    graph = model.graph
    readers = reader_counts(graph)
    pads = {node.output[0]: node for node in graph.node if _pads_evenly(node) and readers[node.output[0]] == 1}
    depending = input_dependent(graph)  # some backbones' padding depends on the image size
    pairs = [
        (pads[node.input[0]], node)
        for node in graph.node
        if node.op_type == "Conv" and node.input[0] in pads and depending.isdisjoint(pads[node.input[0]].input[1:3])
    ]
    constants = computed(model, sorted({name for pad, _ in pairs for name in pad.input[1:3] if name}))
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
    drop_unread(graph)


def _pads_evenly(node: onnx.NodeProto) -> bool:
    """Whether this is a Pad with a constant value, as the tracer writes it."""
    return node.op_type == "Pad" and all(x.s == b"constant" for x in node.attribute if x.name == "mode")
