"""Weights stored smaller than they count: in half precision or in 8 bits. The runtime unfolds them when it loads.

Counting in int8 as well does not pay: convolutions quantized statically cost 0.04 to 0.14 AP on the first 100 pictures
of coco-dev and saved at most a tenth of the time (`benchmarks/precision.py --calibrate`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from votepose.export.rounding import LEVELS, round_rows, uses

_LEAST_HALVED = 64  # numbers in a constant that is worth halving
_LEAST_PACKED = 4096  # and packing: the small ones, stems and heads, matter most
_LEAST_COARSE = 16384  # and rounding to coarse steps
_MORE_BITS = {"backbone": 3.0, "witness": 1.0}  # than other weights have: everything else builds on the backbone
_STEP_BITS = 2.05  # information in a normal variable that is rounded to steps of its deviation


def halve(model: onnx.ModelProto) -> None:
    """Store large fp32 constants in fp16 behind a Cast."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= _LEAST_HALVED:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}_fp16"))
            casts.append(helper.make_node("Cast", [f"{name}_fp16"], [name], to=TensorProto.FLOAT))
    _prepend(model, casts)


def pack(model: onnx.ModelProto, moments: Mapping[str, np.ndarray] | None = None, bits: float = np.inf) -> None:
    """Store large weights in int8, with a scale an output channel, behind Cast and Mul. (A DequantizeLinear the runtime
    would keep, and run each time.)

    Args:
        moments: as `second_moments` finds them; with them, weights are rounded so that their errors cancel.
        bits: the information that a weight keeps, about; the backbone's and the witness' keep more. The file stays as
            large, but what compresses it, a wheel for one, finds less in it. By default all that int8 holds.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    more = {
        use.weight: extra for use in uses(model) for part, extra in _MORE_BITS.items() if f"/{part}/" in use.node.name
    }
    nodes = []
    for name, axis in sorted({use.weight: use.axis for use in uses(model)}.items()):
        weight = numpy_helper.to_array(constants[name])
        if weight.ndim < 2 or weight.size < _LEAST_PACKED:
            continue
        channels_first = np.moveaxis(weight, axis, 0)
        rows = channels_first.reshape(len(channels_first), -1)
        kept = bits + more.get(name, 0.0) if weight.size >= _LEAST_COARSE else np.inf
        deviations = np.sqrt(np.square(rows).mean(axis=1))
        steps = np.maximum(deviations * 2 ** (_STEP_BITS - kept), np.abs(rows).max(axis=1) / LEVELS).clip(1e-12)
        rounded = round_rows(rows, steps, (moments or {}).get(name)).reshape(channels_first.shape)
        packed = np.ascontiguousarray(np.moveaxis(rounded, 0, axis))
        scale = np.expand_dims(steps, tuple(i for i in range(weight.ndim) if i != axis)).astype(np.float32)
        constants[name].CopyFrom(numpy_helper.from_array(packed, f"{name}_int8"))
        model.graph.initializer.append(numpy_helper.from_array(scale, f"{name}_scale"))
        nodes += [
            helper.make_node("Cast", [f"{name}_int8"], [f"{name}_cast"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name]),
        ]
    _prepend(model, nodes)


def _prepend(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> None:
    for i, node in enumerate(nodes):
        model.graph.node.insert(i, node)
