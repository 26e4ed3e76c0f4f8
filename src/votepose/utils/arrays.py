"""Operations that NumPy and PyTorch name differently, so that `grouping` is written once for both."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np

Array = Any  # numpy.ndarray or torch.Tensor; functions return the kind that they take


def namespace(array: Array) -> ModuleType:
    """The module of the array: numpy or torch."""
    return sys.modules["torch" if type(array).__module__.startswith("torch") else "numpy"]


def transposed(x: Array) -> Array:
    """(..., m, n) -> (..., n, m)."""
    return x.swapaxes(-1, -2)


def joints_first(poses: Array) -> Array:
    """(..., K, 2) -> (K, ..., 2), contiguous: NumPy reduces much faster over the first axis than over an inner one."""
    moved = namespace(poses).moveaxis(poses, poses.ndim - 2, 0)  # -2 would stay unresolved in the exported graph
    return moved.copy() if isinstance(moved, np.ndarray) else moved


def take(values: Array, index: Array) -> Array:
    """values[..., index[..., i]] for values and indices (..., Q)."""
    xp = namespace(values)
    if xp.__name__ != "numpy":
        return xp.gather(values, -1, index)
    rows = values.reshape(-1, values.shape[-1])  # `take_along_axis` has ten times the overhead
    return rows[xp.arange(len(rows))[:, None], index.reshape(rows.shape)].reshape(index.shape)
