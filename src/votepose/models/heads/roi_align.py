"""Regions of interest: the network's maps around each person, sampled on a grid of fixed size.

A person's region is cut from the image pyramid level on which the person is about fifty cells tall, and from the next
coarser one, which provides context. The people in a batch lie on maps of different sizes, so the code uses gathers
instead of a loop over people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from votepose.models.features import ROI_COLUMNS, ROI_ROWS, FeatureSpec, context_feature, roi_shape
from votepose.models.heads.vote_transformer import grid_positions

WIDE_MARGIN, CLOSE_MARGIN = 1.35, 1.1  # region side over pose side, for voted poses and for poses refined once
_FINER = 0.8  # average ratio of grid spacing to cell width, in octaves
_MIN_SPACING = 0.4  # in cells of the context feature; finer grids add no detail


@dataclass(frozen=True)
class RoiGrid:
    """The positions of the regions of P people.

    Attributes:
        centres: (P, 2) in the finest level's cells.
        spacings: (P,) spacing of each region's grid, in the finest level's cells.
        image_index: (P,) int64 image of each.
        pitch: cell width of the `context_feature`, in cells of the votes' map.
    """

    centres: Tensor
    spacings: Tensor
    image_index: Tensor
    pitch: float = 1.0

    @staticmethod
    def around(poses: Tensor, image_index: Tensor, margin: float | Tensor = WIDE_MARGIN, pitch: float = 1.0) -> RoiGrid:
        """A region around each of the poses (P, K, 2), in cells, enlarged by `margin`: one factor, or (P,)."""
        low, high = poses.amin(dim=1), poses.amax(dim=1)
        width, height = (high - low).unbind(dim=-1)
        side = torch.maximum(height, width * (ROI_ROWS / ROI_COLUMNS)) * margin + 2 * pitch
        return RoiGrid((low + high) / 2, (side / ROI_ROWS).clamp(min=_MIN_SPACING * pitch), image_index, pitch)

    def to_grid(self, points: Tensor) -> Tensor:
        """Convert points (P, N, 2) in cells to the region's grid, whose upper left corner is 0, 0."""
        return (points - self.centres[:, None]) / self.spacings[:, None, None] + grid_middle(points)

    def to_cells(self, points: Tensor) -> Tensor:
        """Convert points (P, N, 2) in the region's grid to cells."""
        return (points - grid_middle(points)) * self.spacings[:, None, None] + self.centres[:, None]

    def levels(self, count: int) -> Tensor:
        """(P,) the level, of `count`, whose cells are slightly finer than the grid."""
        return ((self.spacings / self.pitch).log2() - _FINER).round().clamp(0, count - 1).long()

    def points(self, reduction: float) -> Tensor:
        """(P, rows x columns, 2) points of the grid at this reduction, in the finest level's cells."""
        return self.to_cells(grid_positions(*roi_shape(reduction), reduction, self.centres.device)[None])


def grid_middle(like: Tensor) -> Tensor:
    """(2,) the middle of a region, in its grid."""
    # Not `torch.tensor`, which copies from the host: CUDA graphs do not allow that.
    return torch.stack([like.new_full((), ROI_COLUMNS / 2), like.new_full((), ROI_ROWS / 2)])


def roi_align(
    pyramid: Sequence[Sequence[Tensor]], specs: Sequence[FeatureSpec], stride: int, grid: RoiGrid
) -> list[Tensor]:
    """The regions (P, C, rows, columns) of P people, from each map and then from the coarser level's `context_feature`.

    Args:
        pyramid: the maps (B, C, h, w) of each level, as described by `specs`, finest level first.
        specs: specifications of the maps.
        stride: pixels per cell.
        grid: positions of the regions.
    """
    level, context = grid.levels(len(pyramid)), specs.index(context_feature(specs))
    rois = [_sampled([maps[i] for maps in pyramid], spec, stride, level, grid) for i, spec in enumerate(specs)]
    if len(pyramid) == 1:
        return [*rois, rois[context]]
    next_level = (level + 1).clamp(max=len(pyramid) - 1)
    return [*rois, _sampled([maps[context] for maps in pyramid], specs[context], stride, next_level, grid)]


def _sampled(maps: Sequence[Tensor], spec: FeatureSpec, stride: int, level: Tensor, grid: RoiGrid) -> Tensor:
    points = grid.points(spec.reduction) / (2.0**level * (spec.stride / stride))[:, None, None]
    values = sample(maps, points, level, grid.image_index)
    return values.transpose(1, 2).reshape(values.shape[0], *spec.shape)


def sample(maps: Sequence[Tensor], points: Tensor, level: Tensor, image_index: Tensor) -> Tensor:
    """Bilinear values (P, N, C) at points (P, N, 2), in cells; zero outside the map.

    Row p is sampled from image `image_index[p]` in the map (B, C, h, w) of level `level[p]`.
    """
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
    """table[index], with `embedding` unless a gradient is needed, since its backward pass sorts all indices on a
    GPU."""
    if not (table.requires_grad and torch.is_grad_enabled()):
        return F.embedding(index, table)
    return table.index_select(0, index.flatten()).view(*index.shape, -1)
