"""Crops: what the network's maps hold around each person, on a grid of one size for everybody, large or small.

A person's crop is cut out of the level of the image pyramid on which the person is some fifty cells tall, and out of
the next coarser one, which sees more around. Everything is written with gathers, since people of one batch lie on
different maps of different sizes: no loop over people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from votepose.models.heads.vote_transformer import grid_positions

ROWS, COLUMNS = 32, 24  # of a crop's grid: a standing body is taller than wide
MARGIN, CLOSER = 1.35, 1.1  # a crop's side over the pose's: as votes tell it, and as a look has corrected it
_FINER = 0.8  # octaves: by so much the cells of a person's level are finer than the grid, in the middle
LOGITS = 8.0  # of a testimony: so large is 1
_LEAST_SPACING = 0.4  # cells: finer grids would show nothing more


@dataclass(frozen=True)
class Detail:
    """One of the maps that are cropped.

    Attributes:
        channels: of the map.
        stride: of the map, in pixels of its level.
        reduction: how much coarser than ROWS x COLUMNS the grid is on which it is sampled; 0.5 is twice as fine.
        testimony: its last channels, one a joint, are likelihoods: logits over `LOGITS`. At a reduction of 0.5 only.
    """

    channels: int
    stride: int
    reduction: float
    testimony: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, rows, columns) of its crop."""
        return (self.channels, *grid_shape(self.reduction))


def coarser(details: Sequence[Detail]) -> Detail:
    """The map that is also cropped from the next coarser level, which sees more around."""
    return next(detail for detail in details if detail.reduction == 1)


def grid_shape(reduction: float) -> tuple[int, int]:
    """Rows and columns of a crop's grid that is so much coarser."""
    return round(ROWS / reduction), round(COLUMNS / reduction)


@dataclass(frozen=True)
class Frame:
    """Where P crops lie.

    Attributes:
        centres: (P, 2) in the finest level's cells.
        spacings: (P,) of each crop's grid, in the finest level's cells.
        image_index: (P,) int64 image of each.
    """

    centres: Tensor
    spacings: Tensor
    image_index: Tensor

    @staticmethod
    def around(poses: Tensor, image_index: Tensor, margin: float | Tensor = MARGIN) -> Frame:
        """A crop around each of the poses (P, K, 2), in cells, larger by a factor, or by one each (P,)."""
        low, high = poses.amin(dim=1), poses.amax(dim=1)
        width, height = (high - low).unbind(dim=-1)
        side = torch.maximum(height, width * (ROWS / COLUMNS)) * margin + 2
        return Frame((low + high) / 2, (side / ROWS).clamp(min=_LEAST_SPACING), image_index)

    def into(self, points: Tensor) -> Tensor:
        """Points (P, N, 2) in cells -> in the crop's grid, whose upper left corner is 0, 0."""
        return (points - self.centres[:, None]) / self.spacings[:, None, None] + grid_middle(points)

    def back(self, points: Tensor) -> Tensor:
        """Points (P, N, 2) of the crop's grid -> in cells."""
        return (points - grid_middle(points)) * self.spacings[:, None, None] + self.centres[:, None]

    def levels(self, count: int) -> Tensor:
        """(P,) the level of a pyramid of `count` whose cells are a little finer than the grid's."""
        return (self.spacings.log2() - _FINER).round().clamp(0, count - 1).long()

    def grid(self, reduction: float) -> Tensor:
        """(P, ROWS COLUMNS / reduction^2, 2) points of a grid so much coarser, in the finest level's cells."""
        return self.back(grid_positions(*grid_shape(reduction), reduction, self.centres.device)[None])


def grid_middle(like: Tensor) -> Tensor:
    """(2,) the middle of a crop, in its grid."""
    return torch.tensor([COLUMNS / 2, ROWS / 2], device=like.device)


def crop(pyramid: Sequence[Sequence[Tensor]], details: Sequence[Detail], stride: int, frame: Frame) -> list[Tensor]:
    """The crops (P, C, rows, columns) of P people: of each map, and at last of the finer grid's map at the next coarser
    level (see `coarser`).

    Args:
        pyramid: the maps (B, C, h, w) of each level, as `details` tells, the finest level first.
        details: of the maps.
        stride: pixels of a cell.
        frame: where the crops lie, in cells of the very first level.
    """
    level = frame.levels(len(pyramid))
    next_level = (level + 1).clamp(max=len(pyramid) - 1)
    again = coarser(details)
    wanted = [(i, detail, level) for i, detail in enumerate(details)] + [(details.index(again), again, next_level)]
    return [_sampled([maps[i] for maps in pyramid], detail, stride, of, frame) for i, detail, of in wanted]


def _sampled(maps: Sequence[Tensor], detail: Detail, stride: int, level: Tensor, frame: Frame) -> Tensor:
    points = frame.grid(detail.reduction) / (2.0**level * (detail.stride / stride))[:, None, None]
    values = sample(maps, points, level, frame.image_index)
    return values.transpose(1, 2).reshape(values.shape[0], *detail.shape)


def sample(maps: Sequence[Tensor], points: Tensor, level: Tensor, image_index: Tensor) -> Tensor:
    """Bilinear values (P, N, C) at points (P, N, 2), in cells, each person's of the map (B, C, h, w) of its own `level`
    (P,) and image (P,); zero outside."""
    flat = torch.cat([x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]) for x in maps])
    zero = torch.zeros_like(level)
    first, height, width, start = zero, zero, zero, 0
    for i, x in enumerate(maps):
        h, w = x.shape[-2:]
        here = (level == i).long()
        first = first + here * (start + image_index * (h * w))
        height, width = height + here * h, width + here * w
        start = start + x.shape[0] * h * w
    first, height, width = first[:, None], height[:, None], width[:, None]
    corner = (points - 0.5).floor()
    fraction = (points - 0.5 - corner).to(flat.dtype)
    total: Tensor | None = None
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        x, y = corner[..., 0].long() + dx, corner[..., 1].long() + dy
        weight = (fraction[..., 0] if dx else 1 - fraction[..., 0]) * (fraction[..., 1] if dy else 1 - fraction[..., 1])
        weight = weight * ((x >= 0) & (x < width) & (y >= 0) & (y < height))
        index = first + torch.minimum(y.clamp(min=0), height - 1) * width + torch.minimum(x.clamp(min=0), width - 1)
        value = _rows(flat, index) * weight[..., None]
        total = value if total is None else total + value
    assert total is not None
    return total


def _rows(table: Tensor, index: Tensor) -> Tensor:
    """table[index]: by `embedding`, but where a gradient is wanted, for which a GPU would sort all of its indices."""
    if not (table.requires_grad and torch.is_grad_enabled()):
        return F.embedding(index, table)
    return table.index_select(0, index.flatten()).view(*index.shape, -1)
