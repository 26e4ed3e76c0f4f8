"""The focus head: where a pyramid level shows people who are better seen on the next finer one.

Each output says whether a block of the level has part of such a person in it (after Najibi et al., AutoFocus, ICCV
2019). `models.focus` turns the outputs into the rectangle that the next finer level sees.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCK = 16  # pixels of the level per output; on the next finer level a block has 32
SMALL = 150  # pixels of the level: people below this size are to be seen on the next finer level
_EVERYWHERE = 4.0  # initial logit: an untrained head sends the finer level everywhere


class FocusHead(nn.Module):
    """[F;H] (B, C, h, w) -> logits (B, h * stride / 16, w * stride / 16).

    Args:
        channels: C.
        width: channels of the hidden layers.
        stride: pixels per cell of [F;H]; divides 16.
    """

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        side = BLOCK // stride
        self.blocks = nn.Conv2d(channels, width, side, side)
        self.middle = nn.Conv2d(width, width, 3, padding=1)
        self.out = nn.Conv2d(width, 1, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        self.out.bias = nn.Parameter(torch.full((1,), _EVERYWHERE))

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.out(F.relu(self.middle(F.relu(self.blocks(features)))))
        return logits[:, 0]
