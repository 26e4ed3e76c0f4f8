"""Converts a video's frames to pixels as players show them: applies the display matrix and makes pixels square."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

_PLAUSIBLE = Fraction(1, 4), Fraction(4)  # pixel aspect ratios; others are errors in the header


def shown_pixels(picture: Any, pixel_shape: Fraction | None) -> np.ndarray:
    """The pixels (height, width, 3) uint8 RGB of an av.VideoFrame, as a player shows them.

    Args:
        picture: the frame, with its display matrix, if any, as side data.
        pixel_shape: width of a coded pixel divided by its height; None or 0 if unknown, which counts as square. Other
            pixels are made square by stretching the image in one direction.
    """
    width, height = picture.width, picture.height
    if pixel_shape and _PLAUSIBLE[0] <= pixel_shape <= _PLAUSIBLE[1] and pixel_shape != 1:
        width, height = (
            (round(width * pixel_shape), height) if pixel_shape > 1 else (width, round(height / pixel_shape))
        )
        pixels = picture.reformat(width=width, height=height, format="rgb24", interpolation="BICUBIC").to_ndarray()
    else:
        pixels = picture.to_ndarray(format="rgb24")
    return np.ascontiguousarray(_oriented(pixels, picture.side_data.get("DISPLAYMATRIX")))


def _oriented(pixels: np.ndarray, side_data: Any) -> np.ndarray:
    """The image transformed by FFmpeg's display matrix: (p', q') = (a p + c q, b p + d q) for columns p and rows q.

    The matrix is rounded to one of the eight orientations and its scale is ignored, as in players.
    """
    if side_data is None:
        return pixels
    a, b, _, c, d = np.frombuffer(side_data, np.int32)[:5].astype(float)
    if abs(b) + abs(c) > abs(a) + abs(d):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
