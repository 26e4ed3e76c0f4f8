"""The focus: the part of an image that the finest pyramid level sees.

The coarser levels find large people as well as the finest level does, and show where the small ones are. So the finest
level, which costs as much as four of the next, only sees the rectangle around the small people (after Najibi et al.,
AutoFocus, ICCV 2019, which predicts such rectangles; here they follow from the votes).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from votepose.letterbox import MULTIPLE
from votepose.models.features import ROI_COLUMNS, ROI_ROWS

_SMALL = 300  # pixels: people below this size need the finest level; a region of interest of that level has 233
_MARGIN = 24  # pixels around the people
_SMALLEST = 64  # pixels: minimum side, also if there are no small people


@dataclass(frozen=True)
class Focus:
    """A rectangle of an image in pixels, as int64 scalars: all are multiples of 32 and within the image."""

    left: Tensor
    top: Tensor
    right: Tensor
    bottom: Tensor

    @staticmethod
    def around(poses: Tensor, voters: Tensor, valid: Tensor, pixels: Tensor) -> Focus:
        """The rectangle around the small people of one image.

        Args:
            poses, voters: (Q, K, 2) votes and (Q, 2) the cells that cast them, in pixels.
            valid: (Q,) bool: whether a vote counts.
            pixels: (1, 3, H, W) the image.
        """
        low, high = poses.amin(dim=1), poses.amax(dim=1)
        width, height = (high - low).unbind(dim=-1)
        small = valid & (torch.maximum(height, width * (ROI_ROWS / ROI_COLUMNS)) < _SMALL)
        nowhere = torch.full_like(low, torch.inf)
        low = torch.where(small[:, None], torch.minimum(low, voters), nowhere).amin(dim=0)
        high = torch.where(small[:, None], torch.maximum(high, voters), -nowhere).amax(dim=0)
        # Counted, since the tracer would make the sides constants.
        left, right = _span(low[0], high[0], torch.ones_like(pixels[0, 0, 0]).sum())
        top, bottom = _span(low[1], high[1], torch.ones_like(pixels[0, 0, :, 0]).sum())
        return Focus(left, top, right, bottom)

    def of(self, pixels: Tensor) -> Tensor:
        """The part of pixels (1, 3, H, W) in the rectangle."""
        return pixels[:, :, self.top : self.bottom, self.left : self.right]

    def cell(self, stride: int) -> Tensor:
        """(2,) the cell of a map with this stride at the upper left corner, x first."""
        return torch.stack([self.left, self.top]) // stride


def _span(low: Tensor, high: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
    """First and last pixel of an axis with `side` pixels, for people between `low` and `high`."""
    first = ((low - _MARGIN) / MULTIPLE).floor() * MULTIPLE
    first = torch.minimum(first, side - _SMALLEST).clamp(min=0)
    last = ((high + _MARGIN) / MULTIPLE).ceil() * MULTIPLE
    last = torch.minimum(torch.maximum(last, first + _SMALLEST), side)
    return first.long(), last.long()


def pasted(fine: Tensor, coarse: Tensor, cell: Tensor, rows: int, columns: int) -> Tensor:
    """A map (1, rows, columns) that is `fine` (1, h, w) with its upper left corner at `cell`, and around it `coarse`,
    whose cells are twice as wide."""
    around = coarse.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)[:, :rows, :columns]
    (left, top), (height, width) = cell.unbind(), fine.shape[1:]
    bottom, right = top + height, left + width
    band = torch.cat([around[:, top:bottom, :left], fine, around[:, top:bottom, right:]], dim=2)
    return torch.cat([around[:, :top], band, around[:, bottom:]], dim=1)
