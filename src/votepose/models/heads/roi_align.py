"""Regions of interest: the network's maps around each person, sampled on a grid of fixed size.

A person's region is cut from the image pyramid level on which the person is about fifty cells tall, and from the next
coarser one, which provides context. The people in a batch lie on maps of different sizes, so the code uses gathers
instead of a loop over people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from votepose.models.features import ROI_COLUMNS, ROI_ROWS, Extent, FeatureSpec, context_feature, roi_shape

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

    def relative_to(self, extent: Extent, level: Tensor) -> RoiGrid:
        """The positions relative to the maps of each person's `level` (P,), of which the finest cover the extent."""
        return replace(self, centres=self.centres - (level == 0)[:, None] * extent.origin)

    def axes(self, reduction: float) -> tuple[Tensor, Tensor]:
        """x (P, columns) and y (P, rows) of the grid at this reduction, in the finest level's cells."""
        rows, columns = roi_shape(reduction)
        x, y = (
            (torch.arange(count, device=self.centres.device) + 0.5) * reduction - side / 2
            for count, side in ((columns, ROI_COLUMNS), (rows, ROI_ROWS))
        )
        spacings = self.spacings[:, None]
        return x * spacings + self.centres[:, :1], y * spacings + self.centres[:, 1:]


def grid_middle(like: Tensor) -> Tensor:
    """(2,) the middle of a region, in its grid."""
    # Not `torch.tensor`, which copies from the host: CUDA graphs do not allow that.
    return torch.stack([like.new_full((), ROI_COLUMNS / 2), like.new_full((), ROI_ROWS / 2)])


def roi_align(
    pyramid: Sequence[Sequence[Tensor]],
    specs: Sequence[FeatureSpec],
    stride: int,
    grid: RoiGrid,
    finest: Extent | None = None,
) -> list[Tensor]:
    """The regions (P, C, rows, columns) of P people, from each map and then from the coarser level's `context_feature`.

    Args:
        pyramid: the maps (B, C, h, w) of each level, as described by `specs`, finest level first.
        specs: specifications of the maps.
        stride: pixels per cell.
        grid: positions of the regions.
        finest: extent of the finest level's maps, if they do not cover the image; regions that are not inside it are
            read from the next level.
    """
    level, context = grid.levels(len(pyramid)), specs.index(context_feature(specs))
    if finest is not None:
        half = grid.spacings[:, None] * grid_middle(grid.spacings)
        whole = finest.contains(grid.centres - half, grid.centres + half)
        level = torch.where(whole, level, level.clamp(min=1))
    next_level = (level + 1).clamp(max=len(pyramid) - 1)
    here, coarser = (grid if finest is None else grid.relative_to(finest, one) for one in (level, next_level))
    rois = [_sampled([maps[i] for maps in pyramid], spec, stride, level, here) for i, spec in enumerate(specs)]
    if len(pyramid) == 1:
        return [*rois, rois[context]]
    return [*rois, _sampled([maps[context] for maps in pyramid], specs[context], stride, next_level, coarser)]


def _sampled(maps: Sequence[Tensor], spec: FeatureSpec, stride: int, level: Tensor, grid: RoiGrid) -> Tensor:
    cell = (2.0**level * (spec.stride / stride))[:, None]
    x, y = grid.axes(spec.reduction)
    values = sample(maps, x / cell, y / cell, level, grid.image_index)
    return values.reshape(values.shape[0], *spec.shape)  # the tracer needs to know the channels


def sample(maps: Sequence[Tensor], x: Tensor, y: Tensor, level: Tensor, image_index: Tensor) -> Tensor:
    """Bilinear values (P, C, rows, columns) where columns at x (P, columns) meet rows at y (P, rows), in cells; zero
    outside the map.

    Values p are sampled from image `image_index[p]` in the map (B, C, h, w) of level `level[p]`.
    """
    table = torch.cat([one.permute(0, 2, 3, 1).reshape(-1, one.shape[1]) for one in maps])
    zero = torch.zeros_like(level)
    first, height, width, start = zero, zero, zero, 0
    for i, one in enumerate(maps):
        h, w = one.shape[-2:]
        here = (level == i).long()
        first = first + here * (start + image_index * (h * w))
        height, width = height + here * h, width + here * w
        start = start + one.shape[0] * h * w
    first, height, width = first[:, None, None], height[:, None, None], width[:, None, None]
    columns = _neighbours(x[:, None], width)
    total: Tensor | None = None
    for row, row_weight in _neighbours(y[:, :, None], height):
        beginning = first + row * width
        for column, column_weight in columns:
            weight = (row_weight * column_weight).to(table.dtype)
            value = _rows(table, beginning + column) * weight[..., None]
            total = value if total is None else total + value
    assert total is not None
    return total.permute(0, 3, 1, 2)


def _neighbours(points: Tensor, size: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The two cells beside each point of an axis with `size` cells, and their weights: zero outside the map."""
    before = (points - 0.5).floor()
    fraction = points - 0.5 - before
    found = []
    for cell, weight in ((before.long(), 1 - fraction), (before.long() + 1, fraction)):
        inside = torch.minimum(cell.clamp(min=0), size - 1)
        found.append((inside, weight * (cell == inside)))
    return found


def _rows(table: Tensor, index: Tensor) -> Tensor:
    """table[index], with `embedding` unless a gradient is needed, since its backward pass sorts all indices on a
    GPU."""
    if not (table.requires_grad and torch.is_grad_enabled()):
        return F.embedding(index, table)
    return table.index_select(0, index.flatten()).view(*index.shape, -1)
