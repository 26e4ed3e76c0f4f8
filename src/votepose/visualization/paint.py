"""Paints anti-aliased shapes with NumPy.

Each shape is defined by a distance: a limb is all points within r of a segment, a joint all points within r of a point.
Coverage falls from 1 to 0 over one pixel at the edge, so no supersampling is needed.
"""

from __future__ import annotations

import math

import numpy as np


def paint(
    canvas: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    radius: float,
    colour: np.ndarray,
    opacity: float,
    ring: float = 0.0,
    dash: float = 0.0,
) -> None:
    """Blend all points within `radius` of a segment into the canvas (H, W, 3) uint8, in place.

    The segment from `start` to `end` (2,) and all lengths are in pixels.

    Args:
        ring: width of the outline to draw instead of the filled shape, centred on its edge; 0 to fill.
        dash: length of a dash and of the gap after it; 0 for a solid line.
    """
    if opacity <= 0:
        return
    (x0, y0), (x1, y1) = start.tolist(), end.tolist()  # floats: NumPy is slow for two numbers
    height, width, _ = canvas.shape
    margin = radius + ring + 1
    left, right = max(0, math.floor(min(x0, x1) - margin)), min(width, math.ceil(max(x0, x1) + margin))
    top, bottom = max(0, math.floor(min(y0, y1) - margin)), min(height, math.ceil(max(y0, y1) + margin))
    if left >= right or top >= bottom:
        return
    x = np.arange(left, right, dtype=np.float32)[None, :] + np.float32(0.5 - x0)
    y = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - y0)
    along_x, along_y = x1 - x0, y1 - y0
    length = math.hypot(along_x, along_y)
    scale = max(length, 1e-6) ** -2
    place = _within_one(x * (along_x * scale) + y * (along_y * scale))
    distance = np.sqrt((x - place * along_x) ** 2 + (y - place * along_y) ** 2)
    distance = np.abs(distance - radius) - ring / 2 if ring else distance - radius
    coverage = _within_one(0.5 - distance)
    if dash:  # soft ends; an odd number of pieces, so that the line begins and ends in a dash
        pieces = 2 * max(1, round(length / (2 * dash))) + 1
        phase = np.abs((place * pieces) % 2 - 0.5)
        phase = np.minimum(phase, 2 - phase)
        coverage *= _within_one(0.5 - (phase - 0.5) * length / pieces)
    patch = canvas[top:bottom, left:right]
    weight = (coverage * np.float32(opacity))[..., None]
    patch[...] = np.rint(patch + (colour - patch) * weight)


def _within_one(values: np.ndarray) -> np.ndarray:
    """Values limited to 0..1, in less time than `np.clip` takes for small arrays."""
    return np.minimum(np.maximum(values, 0), 1)
