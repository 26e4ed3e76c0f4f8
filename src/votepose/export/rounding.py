"""Weights rounded to coarse steps so that their errors cancel: what one input's weight errs, the next ones make up for.

That is GPTQ (Frantar et al., 2022). Inputs of a layer go together, so most of an error can be undone by weights that
are not rounded yet; how inputs go together is measured on pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
from onnx import helper

LEVELS = 127  # the largest number of a rounded weight
_DAMPING = 0.01  # of the inputs' mean square: for inputs that always go together
_BLOCK = 64  # inputs after which the others are told: faster than one by one
_PLACES = 10_000  # of a picture's map that are looked at, at most; with 3,000 the result hung on which
_OUTPUT_AXIS = {"Conv": 0, "Gemm": 0, "MatMul": 1}  # of a weight, by the operator; Gemm's is transposed


class Use(NamedTuple):
    """An operator that multiplies its input with a constant weight."""

    node: onnx.NodeProto
    weight: str
    """The constant's name."""
    axis: int
    """Of the weight: its output channels."""


def uses(model: onnx.ModelProto) -> list[Use]:
    """Where weights are used. One that is used at several levels reaches some of them through an Identity."""
    constants = {tensor.name: tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Identity" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]
    return [
        Use(node, constants[node.input[1]], _OUTPUT_AXIS[node.op_type])
        for node in model.graph.node
        if node.op_type in _OUTPUT_AXIS
        and node.input[1] in constants
        and (node.op_type != "Gemm" or _is(node, transB=1))
    ]


def second_moments(model: onnx.ModelProto, feeds: Iterable[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """How the inputs of each weight go together.

    Args:
        feeds: the graph's inputs, once a picture.

    Returns:
        {name of the weight: (inputs, inputs) the mean products of the numbers that its rows are multiplied with}, but
        for grouped convolutions and for what no picture has reached.
    """
    wanted = [use for use in uses(model) if _is(use.node, group=1)]
    names = sorted({use.node.input[0] for use in wanted})
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    sums: dict[str, np.ndarray] = {}
    counts: dict[str, int] = {}
    for feed in feeds:
        values = dict(zip(names, session.run(names, dict(feed)), strict=True))
        for use in wanted:
            rows = _rows(use.node, values[use.node.input[0]], rng)
            sums[use.weight] = sums.get(use.weight, 0) + (rows.T @ rows).astype(np.float64)
            counts[use.weight] = counts.get(use.weight, 0) + len(rows)
    return {name: total / counts[name] for name, total in sums.items() if np.trace(total) > 0}


def round_rows(rows: np.ndarray, steps: np.ndarray, moments: np.ndarray | None = None) -> np.ndarray:
    """Weights as multiples of steps.

    Args:
        rows: (outputs, inputs) weights.
        steps: (outputs,) positive.
        moments: (inputs, inputs) as `second_moments` finds them; without, each weight goes to the nearest multiple.

    Returns:
        (outputs, inputs) int8.
    """
    left = rows.astype(np.float64) / steps[:, None]
    if moments is None:
        return _nearest(left).astype(np.int8)
    inputs = len(moments)
    order = np.argsort(-np.diag(moments), kind="stable")  # those that matter most have the most to make up for them
    damped = moments[np.ix_(order, order)] + np.eye(inputs) * _DAMPING * np.trace(moments) / inputs
    # Row i: how weight i's error spreads over itself and the later ones.
    spread = np.linalg.cholesky(np.linalg.inv(damped)).T
    left, rounded = left[:, order], np.empty_like(left)
    for start in range(0, inputs, _BLOCK):
        stop = min(start + _BLOCK, inputs)
        errors = np.empty((len(rows), stop - start))
        for i in range(start, stop):
            rounded[:, i] = _nearest(left[:, i])
            errors[:, i - start] = (left[:, i] - rounded[:, i]) / spread[i, i]
            left[:, i + 1 : stop] -= errors[:, i - start, None] * spread[i, i + 1 : stop]
        left[:, stop:] -= errors @ spread[start:stop, stop:]
    return rounded[:, np.argsort(order)].astype(np.int8)


def _nearest(weights: np.ndarray) -> np.ndarray:
    return np.round(weights).clip(-LEVELS, LEVELS)


def _rows(node: onnx.NodeProto, value: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(places, inputs): what each row of the node's weight is multiplied with, at some places."""
    if node.op_type != "Conv":
        rows = value.reshape(-1, value.shape[-1])
        return rows[rng.permutation(len(rows))[:_PLACES]]
    kernel, strides = _ints(node, "kernel_shape", (1, 1)), _ints(node, "strides", (1, 1))
    top, left, bottom, right = _ints(node, "pads", (0, 0, 0, 0))
    padded = np.pad(value, ((0, 0), (0, 0), (top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, tuple(kernel), axis=(2, 3))
    windows = windows[:, :, :: strides[0], :: strides[1]].transpose(0, 2, 3, 1, 4, 5)
    batch, height, width = windows.shape[:3]
    places = rng.permutation(batch * height * width)[:_PLACES]
    return windows[np.unravel_index(places, (batch, height, width))].reshape(
        len(places), int(np.prod(windows.shape[3:]))
    )


def _ints(node: onnx.NodeProto, name: str, default: Sequence[int]) -> Sequence[int]:
    return next((a.ints for a in node.attribute if a.name == name), default)


def _is(node: onnx.NodeProto, **wanted: int) -> bool:
    """Whether the node has these attributes; a `group` that is not told is 1."""
    found = {"group": 1, **{a.name: a.i for a in node.attribute}}
    return all(found.get(name) == value for name, value in wanted.items())
