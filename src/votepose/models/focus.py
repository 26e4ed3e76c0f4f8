"""The focus: the part of an image that the finest pyramid level sees.

The coarser levels find large people just as well, and the focus head says where the small ones are. So the finest
level, which costs as much as four of the next, only sees the rectangle around the small people.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from votepose.letterbox import MULTIPLE
from votepose.models.features import Extent

_CHANCE = 0.6  # minimum probability of a small person in a block
_MARGIN = 32  # pixels around those blocks: the features of people at the edge need them
_SMALLEST = 64  # pixels: minimum side, also if there are no small people


@dataclass(frozen=True)
class Focus:
    """A rectangle of an image in pixels, as int64 scalars: all are multiples of 32 and within the image."""

    left: Tensor
    top: Tensor
    right: Tensor
    bottom: Tensor

    @staticmethod
    def around(logits: Tensor, pixels: Tensor) -> Focus:
        """The rectangle around the blocks that are likely to show small people.

        Args:
            logits: (1, h, w) output of the focus head for the image at half its size, whose blocks are those of 32
                pixels here.
            pixels: (1, 3, H, W) the image.
        """
        likely = logits[0].sigmoid() >= _CHANCE
        (left, right), (top, bottom) = (_span(likely.any(dim=i), side) for i, side in enumerate(_size(pixels)))
        return Focus(left, top, right, bottom)

    def of(self, pixels: Tensor) -> Tensor:
        """The part of pixels (1, 3, H, W) in the rectangle."""
        return pixels[:, :, self.top : self.bottom, self.left : self.right]

    def extent(self, pixels: Tensor, stride: int) -> Extent:
        """The rectangle of the image `pixels` (1, 3, H, W), in cells of this stride."""
        low, high = torch.stack([self.left, self.top]), torch.stack([self.right, self.bottom])
        anywhere = torch.full_like(low, torch.inf, dtype=torch.float32)
        return Extent(
            low // stride,
            torch.where(low > 0, low / stride, -anywhere),
            torch.where(high < torch.stack(_size(pixels)), high / stride, anywhere),
        )


def _size(pixels: Tensor) -> list[Tensor]:
    """Width and height of pixels (1, 3, H, W), counted, since the tracer would make them constants."""
    return [torch.ones_like(line).sum() for line in (pixels[0, 0, 0], pixels[0, 0, :, 0])]


def _span(likely: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
    """First and last pixel of an axis with `side` pixels, for the `likely` ones (n,) of its blocks; without any, the
    last `_SMALLEST` pixels."""
    start = torch.arange(likely.shape[0], device=likely.device) * MULTIPLE
    side = side.to(start.dtype)
    first = torch.where(likely, start - _MARGIN, side).amin()
    last = torch.where(likely, start + MULTIPLE + _MARGIN, torch.zeros_like(start)).amax()
    first = torch.minimum(first, side - _SMALLEST).clamp(min=0)
    return first, torch.minimum(torch.maximum(last, first + _SMALLEST), side)


def pasted(fine: Tensor, coarse: Tensor, cell: Tensor, rows: int, columns: int) -> Tensor:
    """A map (1, rows, columns) that is `fine` (1, h, w) with its upper left corner at `cell`, and around it `coarse`,
    whose cells are twice as wide."""
    around = coarse.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)[:, :rows, :columns]
    (left, top), (height, width) = cell.unbind(), fine.shape[1:]
    bottom, right = top + height, left + width
    band = torch.cat([around[:, top:bottom, :left], fine, around[:, top:bottom, right:]], dim=2)
    return torch.cat([around[:, :top], band, around[:, bottom:]], dim=1)
