"""Blur kernels (odd, odd) float32 that sum to 1 and are symmetric, so that they do not shift the image."""

from __future__ import annotations

import math

import numpy as np


def stroke(length: float, angle: float) -> np.ndarray:
    """Kernel of a straight line of `length` pixels about the centre, at `angle` radians."""
    half = math.ceil(length / 2)
    kernel = np.zeros((2 * half + 3, 2 * half + 3), np.float32)
    along = (np.arange(max(2, 8 * half)) + 0.5) / max(2, 8 * half) - 0.5
    points = along[:, None] * length * np.array([math.cos(angle), math.sin(angle)]) + half + 1
    low = np.floor(points).astype(int)
    right, down = (points - low).T
    for dx, dy, share in (
        (0, 0, (1 - right) * (1 - down)),
        (1, 0, right * (1 - down)),
        (0, 1, (1 - right) * down),
        (1, 1, right * down),
    ):
        np.add.at(kernel, (low[:, 1] + dy, low[:, 0] + dx), share)
    return kernel / kernel.sum()


def disc(radius: float) -> np.ndarray:
    """Kernel of a disc of `radius` pixels with a soft edge."""
    half = math.ceil(radius)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return kernel / kernel.sum()
