"""Converts arrays of the usual types and shapes to RGB. Ambiguous arrays are refused, as a wrong guess is hard to
see."""

from __future__ import annotations

import numpy as np

from votepose.errors import VoteposeError

_ROUNDING = 1e-3  # tolerance of a float image's range, for rounding errors


def rgb_from_array(array: np.ndarray, bgr: bool = False) -> np.ndarray:
    """An array as (H, W, 3) uint8 RGB, composited on white where it is transparent.

    Args:
        array: (H, W) or (H, W, 1) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB or (H, W, 4) RGBA; uint8 in 0 to 255,
            uint16 in 0 to 65535, or float in 0 to 1.
        bgr: whether three or four channels are BGR or BGRA, as OpenCV reads them.

    Raises:
        VoteposeError: if the shape, type or value range is not one of these.
    """
    channels = array.shape[2] if array.ndim == 3 else 1
    known_type = array.dtype in (np.uint8, np.uint16) or array.dtype.kind == "f"
    if not known_type or array.ndim not in (2, 3) or not 1 <= channels <= 4 or not array.size:
        expected = "uint8, uint16 or float of (H, W), (H, W, 3) or (H, W, 4)"
        raise VoteposeError(f"an image array should be {expected}, but is {array.dtype} of {array.shape}{_hint(array)}")
    array = _to_uint8(array)
    array = array[..., None] if array.ndim == 2 else array
    if bgr and channels >= 3:
        array = array[..., [2, 1, 0, 3][:channels]]
    if channels in (2, 4):
        alpha = array[..., -1:].astype(np.uint16)
        array = ((array[..., :-1] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


def _to_uint8(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint16:
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if array.dtype.kind != "f":
        return array
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise VoteposeError("the float image holds NaN or infinite values")
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        remedy = "undo its normalization" if low < 0 else "convert it to uint8 if it is in 0 to 255"
        remedy = "clip it" if low > -0.5 and high < 1.5 else remedy
        raise VoteposeError(f"a float image should be in 0 to 1, but is in {low:.4g} to {high:.4g}: {remedy}")
    return np.rint(array.clip(0, 1).astype(np.float32) * 255).astype(np.uint8)


def _hint(array: np.ndarray) -> str:
    if not array.size:
        return ": it is empty"
    if array.ndim == 4:
        return ": pass several images to `batch` or `stream`"
    if array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] > 4:
        return ": put the channels last"
    if array.ndim not in (2, 3):
        return ""
    if array.dtype.kind == "b":
        return ": convert it to float"
    return ": convert it to uint8 if it is in 0 to 255" if array.dtype.kind in "iu" else ""
