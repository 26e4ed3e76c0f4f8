"""The tiles of channels-last maps that our kernels work on: each program has one at a time."""

from __future__ import annotations

PIXELS, CHANNELS = 32, 64  # of a tile


def grid(pixels: int, channels: int) -> tuple[int, int]:
    """Tiles along the pixels (of all images together) and along the channels of a map."""
    return -(-pixels // PIXELS), -(-channels // CHANNELS)
