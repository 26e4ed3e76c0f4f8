"""The tiles of channels-last maps that our kernels process; each program processes one at a time."""

from __future__ import annotations

PIXELS, CHANNELS = 32, 64  # size of a tile


def grid(pixels: int, channels: int) -> tuple[int, int]:
    """Numbers of tiles along the pixels (of all images together) and the channels of a map."""
    return -(-pixels // PIXELS), -(-channels // CHANNELS)
