"""What NumPy and PyTorch call differently, so that `grouping` is written once for both."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np

Array = Any  # numpy.ndarray or torch.Tensor; every function takes one kind and returns the same


def namespace(array: Array) -> ModuleType:
    """The module, numpy or torch, that the array is of."""
    return sys.modules["torch" if type(array).__module__.startswith("torch") else "numpy"]


def transposed(x: Array) -> Array:
    """(..., m, n) -> (..., n, m)."""
    return x.swapaxes(-1, -2)


def joints_first(poses: Array) -> Array:
    """(..., K, 2) -> (K, ..., 2), laid out so: NumPy reduces over a first axis many times faster than over an inner."""
    moved = namespace(poses).moveaxis(poses, poses.ndim - 2, 0)  # -2 would go into the exported graph as it is
    return moved.copy() if isinstance(moved, np.ndarray) else moved


def take(values: Array, index: Array) -> Array:
    """values[..., index[..., i]] for values and indices (..., Q)."""
    xp = namespace(values)
    if xp.__name__ != "numpy":
        return xp.gather(values, -1, index)
    rows = values.reshape(-1, values.shape[-1])  # `take_along_axis` does the same at ten times the overhead
    return rows[xp.arange(len(rows))[:, None], index.reshape(rows.shape)].reshape(index.shape)
