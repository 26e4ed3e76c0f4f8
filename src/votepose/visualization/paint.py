"""Paints anti-aliased shapes with NumPy.

Each shape is defined by a distance: a limb is all points within r of a segment, a joint all points within r of a point.
Coverage falls from 1 to 0 over one pixel at the edge, so no supersampling is needed.
"""

from __future__ import annotations

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
    margin = radius + ring + 1
    lower = np.floor(np.minimum(start, end) - margin).clip(0, (canvas.shape[1], canvas.shape[0])).astype(int)
    upper = np.ceil(np.maximum(start, end) + margin).clip(0, (canvas.shape[1], canvas.shape[0])).astype(int)
    if (lower >= upper).any():
        return
    x = np.arange(lower[0], upper[0], dtype=np.float32)[None, :] + 0.5 - start[0]
    y = np.arange(lower[1], upper[1], dtype=np.float32)[:, None] + 0.5 - start[1]
    along, length = end - start, float(np.hypot(*(end - start)))
    place = np.clip((x * along[0] + y * along[1]) / max(length, 1e-6) ** 2, 0, 1)
    distance = np.hypot(x - place * along[0], y - place * along[1])
    distance = np.abs(distance - radius) - ring / 2 if ring else distance - radius
    coverage = np.clip(0.5 - distance, 0, 1)
    if dash:  # soft ends; an odd number of pieces, so that the line begins and ends in a dash
        pieces = 2 * max(1, round(length / (2 * dash))) + 1
        phase = np.abs((place * pieces) % 2 - 0.5)
        phase = np.minimum(phase, 2 - phase)
        coverage *= np.clip(0.5 - (phase - 0.5) * length / pieces, 0, 1)
    patch = canvas[lower[1] : upper[1], lower[0] : upper[0]]
    weight = (coverage * np.float32(opacity))[..., None]
    patch[...] = np.rint(patch + (colour - patch) * weight)
