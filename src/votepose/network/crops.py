"""Crops: what the network's maps hold around each person, on a grid of one size for everybody, large or small.

A person's crop is cut out of the level of the image pyramid on which the person is some thirty cells tall, and out of
the next coarser one, which sees more around. Everything is written with gathers, since people of one batch lie on
different maps of different sizes: no loop over people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from votepose.network.transformer import grid_positions

ROWS, COLUMNS = 32, 24  # of a crop's finest grid: a standing body is taller than wide
REDUCTIONS = (1, 2, 4)  # how much coarser the grid is for each map, the finest map first
_MARGIN = 1.35  # a crop's side over the pose's
_LEAST_SPACING = 0.4  # cells: finer grids would show nothing more


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
    def around(poses: Tensor, image_index: Tensor) -> Frame:
        """A crop with some margin around each of the poses (P, K, 2), in cells."""
        low, high = poses.amin(dim=1), poses.amax(dim=1)
        width, height = (high - low).unbind(dim=-1)
        side = torch.maximum(height, width * (ROWS / COLUMNS)) * _MARGIN + 2
        return Frame((low + high) / 2, (side / ROWS).clamp(min=_LEAST_SPACING), image_index)

    def into(self, points: Tensor) -> Tensor:
        """Points (P, N, 2) in cells -> in the crop's grid, whose upper left corner is 0, 0."""
        return (points - self.centres[:, None]) / self.spacings[:, None, None] + grid_middle(points)

    def back(self, points: Tensor) -> Tensor:
        """Points (P, N, 2) of the crop's grid -> in cells."""
        return (points - grid_middle(points)) * self.spacings[:, None, None] + self.centres[:, None]

    def levels(self, count: int) -> Tensor:
        """(P,) the level of a pyramid of `count` whose cells are most like the grid's."""
        return self.spacings.log2().round().clamp(0, count - 1).long()

    def grid(self, reduction: int) -> Tensor:
        """(P, ROWS COLUMNS / reduction^2, 2) points of a grid so much coarser, in the finest level's cells."""
        device = self.centres.device
        return self.back(grid_positions(ROWS // reduction, COLUMNS // reduction, reduction, device)[None])


def grid_middle(like: Tensor) -> Tensor:
    """(2,) the middle of a crop, in its grid."""
    return torch.tensor([COLUMNS / 2, ROWS / 2], device=like.device)


def crop(pyramid: Sequence[Sequence[Tensor]], strides: Sequence[int], frame: Frame) -> list[Tensor]:
    """The crops of P people: (P, C0, 32, 24) of the finest map, the same of the next coarser level, (P, C1, 16, 12) of
    the second map, (P, C2, 8, 6) of the third.

    Args:
        pyramid: the maps of each level, each three of (B, C, h, w), the finest first.
        strides: of the three maps, in pixels of their level.
        frame: where the crops lie, in cells of the very first map.
    """
    level = frame.levels(len(pyramid))
    coarser = (level + 1).clamp(max=len(pyramid) - 1)
    wanted = [(0, level), (0, coarser), (1, level), (2, level)]
    return [
        _sampled([maps[i] for maps in pyramid], strides[i] // strides[0], of, frame, REDUCTIONS[i]) for i, of in wanted
    ]


def _sampled(maps: Sequence[Tensor], stride: int, level: Tensor, frame: Frame, reduction: int) -> Tensor:
    points = frame.grid(reduction) / (2.0**level * stride)[:, None, None]
    values = sample(maps, points, level, frame.image_index)
    rows, columns = ROWS // reduction, COLUMNS // reduction
    return values.transpose(1, 2).reshape(values.shape[0], values.shape[2], rows, columns)


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
        value = F.embedding(index, flat) * weight[..., None]
        total = value if total is None else total + value
    assert total is not None
    return total
