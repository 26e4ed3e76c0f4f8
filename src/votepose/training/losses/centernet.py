"""The losses of MoveNet's own heads, those of a centre-based detector (CenterNet, Zhou et al., 2019).

Votes start from the poses that these heads propose (`models.heads.proposals`). Trained through the votes alone, the
proposals degrade, since a vote's loss does not lower a heatmap where there is no person. Trained on their own targets,
they adapt to new images, sizes and crowds.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from votepose.data.loader import Batch
from votepose.training.losses import functional as losses
from votepose.training.losses.heatmaps import REACH, focal_loss, paint_gaussians

_SPREAD = 0.054  # standard deviation of a heatmap's Gaussian, relative to the square root of the box's area
_BESIDE = torch.cartesian_prod(torch.arange(-1, 2), torch.arange(-1, 2))  # a cell and its eight neighbours, (9, 2)
WEIGHTS = {"center": 1.0, "heatmap": 1.0, "regress": 1.0, "offset": 0.5, "box": 0.1}
"""Weights of the losses in their sum."""


class CenterNetCriterion(nn.Module):
    """`forward(outputs, labels, stride)` returns scalars: the losses of `WEIGHTS`, and their `total`.

    Args:
        kappas: (K,) OKS fall-off constants, see `Skeleton.kappas`.
        incomplete: weight of empty cells in images where people may be unlabelled.
    """

    kappas: Tensor

    def __init__(self, kappas: Tensor, incomplete: float = 0.1) -> None:
        super().__init__()
        self.incomplete = incomplete
        self.register_buffer("kappas", kappas, persistent=False)

    def forward(self, outputs: Mapping[str, Tensor], labels: Batch, stride: int) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            outputs: outputs (B, C, h, w) of the heads in `movenet.HEADS`; logits for the two heatmaps.
            labels: the batch.
            stride: input pixels per cell of the outputs.
        """
        outputs = {name: output.float() for name, output in outputs.items()}
        keypoints = labels.keypoints[..., :2] / stride
        labelled = labels.keypoints[..., 2] > 0
        boxes, images = labels.boxes / stride, labels.image_index
        sizes = labels.sizes / stride
        centres = boxes[:, :2] + boxes[:, 2:] / 2
        every = torch.zeros_like(images)
        person, joint = labelled.nonzero(as_tuple=True)
        spreads = _spreads(boxes)
        parts = {
            "center": _heatmap_loss(outputs["center"], centres, images, every, spreads, labels, self.incomplete),
            "heatmap": keypoint_heatmap_loss(outputs["kpt_heatmap"], labels, stride, self.incomplete),
            "regress": self._regress(outputs["kpt_regress"], centres, images, keypoints, labelled, sizes),
            "offset": _offset(outputs["kpt_offset"], keypoints[person, joint], images[person], joint),
            "box": _box(outputs["box_scale"], centres, images, boxes[:, 2:], sizes),
        }
        return {**parts, "total": sum((WEIGHTS[name] * parts[name] for name in parts), torch.zeros(()))}

    def _regress(
        self, maps: Tensor, centres: Tensor, images: Tensor, keypoints: Tensor, labelled: Tensor, sizes: Tensor
    ) -> Tensor:
        """Loss of the pose predicted at and around a person's centre: L1 in body sizes, and a heavy-tailed OKS."""
        person, cells, inside = _cells_at(centres, maps.shape)
        if not inside.any():
            return maps.sum() * 0
        person, cells = person[inside], cells[inside]
        poses = cells[:, None] + _read(maps, images[person], cells)
        distance = (poses - keypoints[person]).abs().sum(dim=-1) / sizes[person, None]
        mask = labelled[person].float()
        near = (distance * mask).sum() / mask.sum().clamp(min=1)
        return near + 0.3 * losses.oks_loss(poses, keypoints[person], sizes[person], self.kappas, mask)


def keypoint_heatmap_loss(logits: Tensor, batch: Batch, stride: float, incomplete: float) -> Tensor:
    """Penalty-reduced focal loss (CornerNet, Law & Deng, 2018) of keypoint heatmaps.

    The target is a Gaussian at each labelled keypoint, with a width in proportion to the person's size.

    Args:
        logits: (B, K, h, w).
        batch: its labels.
        stride: input pixels per cell.
        incomplete: weight of empty cells in images where people may be unlabelled.
    """
    person, joint = (batch.keypoints[..., 2] > 0).nonzero(as_tuple=True)
    points, spread = batch.keypoints[person, joint, :2] / stride, _spreads(batch.boxes / stride)
    return _heatmap_loss(logits, points, batch.image_index[person], joint, spread[person], batch, incomplete)


def _spreads(boxes: Tensor) -> Tensor:
    """(N,) standard deviations, in cells, of the Gaussians of people with boxes (N, 4) in cells."""
    return (_SPREAD * boxes[:, 2:].prod(dim=-1).clamp(min=1).sqrt()).clamp(0.5, REACH / 3)


def _heatmap_loss(
    logits: Tensor, points: Tensor, images: Tensor, channels: Tensor, spread: Tensor, batch: Batch, incomplete: float
) -> Tensor:
    """The focal loss of heatmaps (B, C, h, w) for Gaussians at points (n, 2) in `channels` (n,), divided by n."""
    target = paint_gaussians(points, images, channels, spread, logits.shape)
    weight = (~batch.ignored(logits.shape[-2:]))[:, None].float()
    empty = torch.where(batch.complete, 1.0, incomplete)[:, None, None, None]
    return focal_loss(logits, target, weight, empty)


def _cells_at(points: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor, Tensor]:
    """The cell of each point (n, 2) and its neighbours: rows (9 n,), cells (9 n, 2), and whether they lie in the
    map."""
    height, width = shape[-2:]
    cells = (points.floor()[:, None] + _BESIDE.to(points.device)).flatten(0, 1)
    inside = (cells >= 0).all(dim=-1) & (cells[:, 0] < width) & (cells[:, 1] < height)
    return torch.arange(len(points), device=points.device).repeat_interleave(len(_BESIDE)), cells, inside


def _read(maps: Tensor, images: Tensor, cells: Tensor) -> Tensor:
    """Pairs (n, C / 2, 2), x first, of maps (B, C, h, w) of y, x pairs at cells (n, 2)."""
    return maps[images, :, cells[:, 1].long(), cells[:, 0].long()].unflatten(1, (-1, 2)).flip(-1)


def _offset(maps: Tensor, points: Tensor, images: Tensor, joints: Tensor) -> Tensor:
    """Loss of a keypoint's offset from its cell and the cells around it: L1 in cells."""
    row, cells, inside = _cells_at(points, maps.shape)
    row, cells = row[inside], cells[inside]
    if not len(row):
        return maps.sum() * 0
    found = _read(maps, images[row], cells)[torch.arange(len(row), device=row.device), joints[row]]
    return (found - (points[row] - cells)).abs().sum(dim=-1).mean()


def _box(maps: Tensor, centres: Tensor, images: Tensor, sides: Tensor, sizes: Tensor) -> Tensor:
    """Loss of box width and height predicted at people's centres: L1 in body sizes."""
    person, cells, inside = _cells_at(centres, maps.shape)
    person, cells = person[inside], cells[inside]
    if not len(person):
        return maps.sum() * 0
    found = _read(maps, images[person], cells)[:, 0]
    return ((found - sides[person]).abs().sum(dim=-1) / sizes[person]).mean()
