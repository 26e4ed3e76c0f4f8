"""Stores images on square canvases in one tensor, each in four sizes to avoid aliasing when shrinking.

A canvas of side C, with an image in its top left corner and a margin of background, is followed below by copies at a
half, a quarter and an eighth of its size: (3, 3/2 C, C).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from votepose.letterbox import FILL

MARGIN = 8  # pixels of background, of which one remains at the smallest size
LEVELS = 4


def canvas_side(longest: int) -> int:
    """The side of canvases for images with sides up to `longest`, a multiple of 8."""
    return (longest + 2 * MARGIN + 7) // 8 * 8


def canvas_bytes(longest: int) -> int:
    """Number of bytes of a canvas."""
    side = canvas_side(longest)
    return 3 * side * side * 3 // 2


def new_canvases(count: int, longest: int, device: torch.device | str) -> Tensor:
    """New canvases (count, 3, 3/2 C, C) uint8, uninitialised; `put` and `shrink` fill them."""
    side = canvas_side(longest)
    return torch.empty(count, 3, side * 3 // 2, side, dtype=torch.uint8, device=device)


def put(upper: np.ndarray, image: np.ndarray) -> None:
    """Paint an image (height, width, 3) uint8 into the upper square (3, C, C) of a canvas, replacing its content."""
    height, width = image.shape[:2]
    upper[:] = FILL
    upper[:, MARGIN : MARGIN + height, MARGIN : MARGIN + width] = image.transpose(2, 0, 1)


def shrink(canvases: Tensor) -> None:
    """Paint the smaller sizes of canvases (n, 3, 3/2 C, C)."""
    side = canvases.shape[-1]
    upper = canvases[:, :, :side].float()
    for level, (x, y) in list(enumerate(origins(side).tolist()))[1:]:
        upper = F.avg_pool2d(upper, 2)
        canvases[:, :, y : y + (side >> level), x : x + (side >> level)] = upper.round().to(torch.uint8)


def origins(side: int) -> np.ndarray:
    """(4, 2) x, y of the top left corner of each size."""
    return np.array([(0, 0), (0, side), (side // 2, side), (side * 3 // 4, side)])
