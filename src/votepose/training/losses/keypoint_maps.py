"""The losses of the keypoint maps, for likelihoods and offsets."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from votepose.data.loader import Batch, cells_inside
from votepose.models.features import KeypointMaps
from votepose.training.losses.heatmaps import REACH, focal_loss, paint_gaussians

_SPREAD = 0.5  # standard deviation of a Gaussian, relative to OKS's radius
_NARROWEST = 0.5  # minimum standard deviation, in cells
_OFFSETS = 0.5  # weight of the offsets' loss


class KeypointMapCriterion(nn.Module):
    """`forward(maps, batch)` returns scalars: `keypoint_maps`, `keypoint_offsets`, and their `total`.

    The first is the penalty-reduced focal loss of the likelihoods, divided by the number of joints; the second is L1,
    in cells, at and around the cells of joints. Ignore regions do not count, nor does a person's box on the map of a
    joint that is unlabelled.

    Args:
        kappas: (K,) OKS fall-off constants, see `Skeleton.kappas`.
        incomplete: weight of empty cells in images where people may be unlabelled.
    """

    kappas: Tensor

    def __init__(self, kappas: Tensor, incomplete: float) -> None:
        super().__init__()
        self.incomplete = incomplete
        self.register_buffer("kappas", kappas, persistent=False)

    def forward(self, maps: KeypointMaps, batch: Batch) -> dict[str, Tensor]:
        with torch.autocast(maps.logits.device.type, enabled=False):  # bf16 is too coarse for coordinates
            points = batch.keypoints[..., :2] / self._stride(maps, batch)
            labelled = batch.keypoints[..., 2] > 0
            heat = self._likelihoods(maps, points, labelled, batch)
            offsets = _offsets(maps.offsets, points, labelled, batch.image_index)
        return {"keypoint_maps": heat, "keypoint_offsets": offsets, "total": heat + _OFFSETS * offsets}

    def _likelihoods(self, maps: KeypointMaps, points: Tensor, labelled: Tensor, batch: Batch) -> Tensor:
        people, count = labelled.shape
        pictures, _, height, width = maps.logits.shape
        stride = self._stride(maps, batch)
        spread = _SPREAD * self.kappas * batch.sizes[:, None] / stride
        spread = spread.clamp(_NARROWEST, REACH / 3).flatten()
        images = batch.image_index.repeat_interleave(count)
        channels = torch.arange(count, device=points.device).repeat(people)
        target = paint_gaussians(
            points.flatten(0, 1), images, channels, spread, maps.logits.shape, valid=labelled.flatten()
        )
        boxes = (batch.boxes / stride).repeat_interleave(count, dim=0)
        shape = pictures * count, height, width
        unlabelled = cells_inside(boxes, images * count + channels, shape, counted=~labelled.flatten())
        known = ~batch.ignored(maps.logits.shape[-2:])[:, None] & ~unlabelled.view(maps.logits.shape)
        empty = torch.where(batch.complete, 1.0, self.incomplete)[:, None, None, None]
        return focal_loss(maps.logits, target, known.float(), empty)

    @staticmethod
    def _stride(maps: KeypointMaps, batch: Batch) -> float:
        """Input pixels per cell."""
        return batch.images.shape[-1] / maps.logits.shape[-1]


def _offsets(maps: Tensor, points: Tensor, labelled: Tensor, images: Tensor) -> Tensor:
    """L1 of the offsets (B, K, 2, h, w) at and around the cells of the labelled (N, K) points (N, K, 2)."""
    count, _, height, width = maps.shape[1:]
    steps = torch.arange(-1, 2, device=points.device)
    cells = points.floor()[:, :, None] + torch.cartesian_prod(steps, steps)  # (N, K, 9, 2)
    counted = labelled[..., None] & (cells >= 0).all(dim=-1) & (cells[..., 0] < width) & (cells[..., 1] < height)
    map_index = (images[:, None] * count + torch.arange(count, device=points.device))[..., None]
    at = (cells[..., 1].long() * width + cells[..., 0].long()) * counted
    index = torch.stack([(2 * map_index + axis) * (height * width) + at for axis in (0, 1)], dim=-1)
    found = maps.flatten().index_select(0, index.flatten()).view(index.shape).float()
    distance = (found - (points[:, :, None] - cells - 0.5)).abs().sum(dim=-1)
    return (distance * counted).sum() / counted.sum().clamp(min=1)
