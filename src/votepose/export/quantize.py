"""Stores weights in half precision or int8. The runtime expands them to float32 on loading.

Computing in int8 is not worthwhile: statically quantized convolutions cost 0.04 to 0.14 AP on the first 100 images of
coco-dev and saved at most a tenth of the time (`research/quantization.md`).
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_LEVELS = 127  # largest magnitude of an int8 weight
_LEAST_HALVED = 512  # minimum size of a constant that is worth halving; each adds a node
_LEAST_PACKED = 4096  # and packing: small ones, of stems and heads, matter most
# Output axis of a weight, by operator; Gemm's is transposed.
_OUTPUT_AXIS = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0, "MatMul": 1}


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
    """Store large weights in int8, with a scale per output channel, behind Cast and Mul.

    The runtime would keep a DequantizeLinear and run it every time.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = []
    for name, axis in sorted(_weight_axes(model).items()):
        weight = numpy_helper.to_array(constants[name])
        if weight.ndim < 2 or weight.size < _LEAST_PACKED:
            continue
        others = tuple(i for i in range(weight.ndim) if i != axis)
        scale = (np.abs(weight).max(axis=others, keepdims=True).astype(np.float64) / _LEVELS).clip(1e-12)
        packed = np.round(weight / scale).clip(-_LEVELS, _LEVELS).astype(np.int8)
        constants[name].CopyFrom(numpy_helper.from_array(packed, f"{name}_int8"))
        model.graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}_scale"))
        nodes += [
            helper.make_node("Cast", [f"{name}_int8"], [f"{name}_cast"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name]),
        ]
    _prepend(model, nodes)


def _weight_axes(model: onnx.ModelProto) -> dict[str, int]:
    """The constants that operators use as weights, and the axis of their output channels.

    A weight that is shared by several pyramid levels may reach an operator through an Identity.
    """
    constants = {tensor.name: tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Identity" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]
    return {
        constants[node.input[1]]: _OUTPUT_AXIS[node.op_type]
        for node in model.graph.node
        if node.op_type in _OUTPUT_AXIS
        and node.input[1] in constants
        and (node.op_type != "Gemm" or any(a.name == "transB" and a.i == 1 for a in node.attribute))
    }


def _prepend(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> None:
    for i, node in enumerate(nodes):
        model.graph.node.insert(i, node)
