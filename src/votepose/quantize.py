"""The int8 variant of the graph: the transformer's products count in int8, the convolutions' weights are stored in it.

Convolutions that count in int8, too (static quantization, calibrated on 32 pictures), cost 0.04 to 0.14 AP on the first
100 pictures of coco-dev and saved at most a tenth of the time: `benchmarks/precision.py`.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_LEAST = 16384  # numbers in a weight that is worth packing; the small ones, stems and heads, matter most


def quantize(source: Path, path: Path) -> onnx.ModelProto:
    """Write a float32 graph of `graph.trace` to `path` in int8, and return it."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    level, root.level = root.level, logging.ERROR  # it advises a step that graphs of dynamic shapes do not survive
    try:
        quantize_dynamic(source, path, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8)
    finally:
        root.level = level
    model = onnx.load(path)
    _pack_convolutions(model)
    return model


def _pack_convolutions(model: onnx.ModelProto) -> None:
    """Store convolutions' weights in int8, a scale an output channel, behind Cast and Mul, which the runtime folds away
    when it loads the file. (A DequantizeLinear it would keep, and run each time.)"""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    wanted = {node.input[1] for node in model.graph.node if node.op_type == "Conv"} & set(constants)
    nodes = []
    for name in sorted(wanted):
        weight = numpy_helper.to_array(constants[name])
        if weight.size < _LEAST:
            continue
        scale = np.abs(weight).max(axis=(1, 2, 3), keepdims=True).clip(1e-12) / 127
        packed = np.round(weight / scale).astype(np.int8)
        constants[name].CopyFrom(numpy_helper.from_array(packed, f"{name}_int8"))
        model.graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}_scale"))
        nodes += [
            helper.make_node("Cast", [f"{name}_int8"], [f"{name}_cast"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name]),
        ]
    for i, node in enumerate(nodes):
        model.graph.node.insert(i, node)
