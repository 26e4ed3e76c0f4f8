"""Weights stored smaller than they count: in half precision or in 8 bits. The runtime unfolds them when it loads.

Counting in int8 as well does not pay: convolutions quantized statically cost 0.04 to 0.14 AP on the first 100 pictures
of coco-dev and saved at most a tenth of the time (`benchmarks/precision.py --calibrate`).
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_LEAST_HALVED = 64  # numbers in a constant that is worth halving
_LEAST_PACKED = 16384  # and packing: the small ones, stems and heads, matter most
_OUTPUT_AXIS = {"Conv": 0, "Gemm": 0, "MatMul": 1}  # of a weight, by the operator; Gemm's is transposed


def halve(model: onnx.ModelProto) -> None:
    """Store large fp32 constants in fp16 behind a Cast."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= _LEAST_HALVED:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}_fp16"))
            casts.append(helper.make_node("Cast", [f"{name}_fp16"], [name], to=TensorProto.FLOAT))
    _prepend(model, casts)


def pack(model: onnx.ModelProto) -> None:
    """Store large weights in int8, with a scale an output channel, behind Cast and Mul. (A DequantizeLinear the runtime
    would keep, and run each time.)"""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = []
    for name, axis in sorted(_weights(model).items()):
        weight = numpy_helper.to_array(constants[name])
        if weight.size < _LEAST_PACKED or weight.ndim < 2:
            continue
        others = tuple(i for i in range(weight.ndim) if i != axis)
        scale = np.abs(weight).max(axis=others, keepdims=True).clip(1e-12) / 127
        constants[name].CopyFrom(numpy_helper.from_array(np.round(weight / scale).astype(np.int8), f"{name}_int8"))
        model.graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}_scale"))
        nodes += [
            helper.make_node("Cast", [f"{name}_int8"], [f"{name}_cast"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name]),
        ]
    _prepend(model, nodes)


def _weights(model: onnx.ModelProto) -> dict[str, int]:
    """Names of the constants that are weights, and the axis of their output channels."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return {
        node.input[1]: _OUTPUT_AXIS[node.op_type]
        for node in model.graph.node
        if node.op_type in _OUTPUT_AXIS and node.input[1] in constants and _is_plain(node)
    }


def _is_plain(node: onnx.NodeProto) -> bool:
    """A Gemm's weight has its output channels first if it is transposed."""
    return node.op_type != "Gemm" or any(a.name == "transB" and a.i == 1 for a in node.attribute)


def _prepend(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> None:
    for i, node in enumerate(nodes):
        model.graph.node.insert(i, node)
