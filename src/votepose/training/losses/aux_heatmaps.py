"""The loss of the auxiliary backbone's heatmaps in the joint stage, on every level of the image pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from votepose.data.loader import Batch
from votepose.models.features import HEATMAP_LOGIT_SCALE
from votepose.models.heads.roi_align import RoiGrid
from votepose.training.losses.centernet import keypoint_heatmap_loss


def aux_heatmap_losses(
    pyramid: Sequence[Sequence[Tensor]], batch: Batch, stride: int, incomplete: float
) -> dict[str, Tensor]:
    """Losses of the auxiliary backbone's heatmaps, as `aux` and `total`.

    Each level is trained on the people whose regions are cut from it or from an adjacent level.

    Args:
        pyramid: the auxiliary backbone's maps of each level (see `PoseNet.aux_features`).
        batch: the batch, for its labels.
        stride: pixels per cell of the finest level.
        incomplete: weight of empty cells in images where people may be unlabelled.
    """
    keypoints = batch.keypoints.shape[1]
    low = batch.boxes[:, :2] / stride
    corners = torch.stack([low, low + batch.boxes[:, 2:] / stride], dim=1)
    own = RoiGrid.around(corners, batch.image_index).levels(len(pyramid))
    losses = []
    for level, (near, *_) in enumerate(pyramid):
        logits = near[:, -keypoints:].float() * HEATMAP_LOGIT_SCALE
        part = _only(batch, (own - level).abs() <= 1)
        losses.append(keypoint_heatmap_loss(logits, part, stride * 2**level, incomplete))
    loss = torch.stack(losses).mean()
    return {"aux": loss, "total": loss}


def _only(batch: Batch, kept: Tensor) -> Batch:
    """The batch with only the people `kept` (N,) bool; the boxes of the others become ignore regions."""
    height, width = batch.ignore.shape[-2:]
    cell = batch.images.shape[-1] / width
    x, y = (torch.arange(n, device=kept.device) * cell + cell / 2 for n in (width, height))
    low, high = batch.boxes[:, None, :2], batch.boxes[:, None, :2] + batch.boxes[:, None, 2:]
    across = (x >= low[..., 0]) & (x < high[..., 0])
    down = (y >= low[..., 1]) & (y < high[..., 1])
    inside = down[:, :, None] & across[:, None, :]
    none = torch.zeros(batch.ignore.shape, device=kept.device)
    others, own = (none.index_add(0, batch.image_index[x], inside[x].float()) > 0 for x in (~kept, kept))
    return replace(
        batch,
        keypoints=batch.keypoints[kept],
        boxes=batch.boxes[kept],
        areas=batch.areas[kept],
        image_index=batch.image_index[kept],
        ignore=batch.ignore | (others & ~own),
    )
