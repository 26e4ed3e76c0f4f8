"""The loss of the focus head."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.data.loader import Batch, cells_inside
from votepose.models.features import ROI_COLUMNS, ROI_ROWS
from votepose.models.heads.focus import BLOCK, SMALL

_POSITIVE = 4.0  # weight of blocks with small people: a missed person costs more than a wider rectangle


def focus_loss(head: nn.Module, features: Tensor, batch: Batch, incomplete: float) -> Tensor:
    """Binary cross-entropy of the focus head: 1 where a block touches the box of a small person.

    Ignore regions, which are crowds and people of unknown size, count as small people, but less. The head follows the
    features and does not change them.

    Args:
        head: the focus head.
        features: [F;H] (B, C, h, w) of the batch's images.
        batch: the images and their people.
        incomplete: weight of empty blocks in images where people may be unlabelled.
    """
    logits = head(features.detach())
    _, _, width, height = batch.boxes.unbind(dim=1)
    small = torch.maximum(height, width * (ROI_ROWS / ROI_COLUMNS)) < SMALL
    shape = (logits.shape[0], logits.shape[1], logits.shape[2])
    people = cells_inside(batch.boxes / BLOCK, batch.image_index, shape, counted=small)
    ignored = batch.ignored(shape[1:])
    empty = torch.where(batch.complete, 1.0, incomplete)[:, None, None].expand(shape)
    weights = torch.where(people, _POSITIVE, torch.where(ignored, 1.0, empty))
    return F.binary_cross_entropy_with_logits(logits.float(), (people | ignored).float(), weights)
