"""Keypoint heatmaps as training targets, and the penalty-reduced focal loss (CornerNet, Law & Deng, 2018)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 9  # radius in cells to which a Gaussian is painted
_ON = 0.3  # minimum value of a Gaussian at which a cell of an incompletely labelled image has full weight


def paint_gaussians(
    points: Tensor, images: Tensor, channels: Tensor, spread: Tensor, shape: torch.Size, valid: Tensor | None = None
) -> Tensor:
    """Heatmaps (B, C, h, w) of Gaussians that are 1 at the cells of `points` (n, 2), with the maximum where they
    overlap.

    Args:
        points: in cells. images, channels: (n,) image and channel of each. spread: (n,) standard deviations in cells.
        shape: (B, C, h, w).
        valid: (n,) bool: whether to paint each point.
    """
    batch, count, height, width = shape
    steps = torch.arange(-REACH, REACH + 1, device=points.device)
    offsets = torch.cartesian_prod(steps, steps)
    cells = points.floor()[:, None] + offsets
    values = torch.exp(-(offsets**2).sum(dim=-1) / (2 * spread[:, None] ** 2))
    inside = (cells >= 0).all(dim=-1) & (cells[..., 0] < width) & (cells[..., 1] < height)
    if valid is not None:
        inside = inside & valid[:, None]
    flat = ((images * count + channels)[:, None] * height + cells[..., 1].long()) * width + cells[..., 0].long()
    # Invalid points are painted to an extra cell, since selecting the valid ones would synchronise with the GPU.
    size = batch * count * height * width
    heat = points.new_zeros(size + 1)
    heat.scatter_reduce_(0, torch.where(inside, flat, size).flatten(), values.flatten(), "amax")
    return heat[:size].view(shape)


def focal_loss(logits: Tensor, target: Tensor, weight: Tensor, empty: Tensor) -> Tensor:
    """The penalty-reduced focal loss of heatmaps (B, C, h, w), divided by the number of peaks in the target.

    Args:
        logits: logits of the heatmaps.
        target: Gaussians that are 1 at peaks, as `paint_gaussians` returns them.
        weight: (B, 1 or C, h, w) weight of each cell that is not a peak.
        empty: (B, 1, 1, 1) additional weight of cells without a keypoint.
    """
    peak = target == 1
    p = logits.sigmoid()
    missed = torch.where(peak, F.logsigmoid(logits) * (1 - p) ** 2, 0.0)
    weight = torch.where(target > _ON, weight, weight * empty)
    false = torch.where(peak, 0.0, F.logsigmoid(-logits) * p**2 * (1 - target) ** 4) * weight
    return -(missed + false).sum() / peak.sum().clamp(min=1)
