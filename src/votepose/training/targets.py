"""Training targets from labelled people, the inverse of grouping.py (paper III-D, Fig. 2)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from votepose.data.loader import Batch
from votepose.oks import oks

_REACH = 2  # maximum radius of a keypoint's disc, in cells
_SIMILAR = 0.1  # minimum OKS, with doubled tolerances, for a pose to belong to a labelled person


@dataclass(frozen=True)
class GroundTruth:
    """The N labelled people of a batch, in cells, and the area without unlabelled people.

    Attributes:
        keypoints: (N, K, 3) with COCO's v. sizes: (N,) square root of the area. image_index: (N,).
        certain: (B, h, w) bool: whether the cell is background unless a labelled person is there.
    """

    keypoints: Tensor
    sizes: Tensor
    image_index: Tensor
    certain: Tensor

    @staticmethod
    def of(batch: Batch, stride: int, certain: Tensor) -> GroundTruth:
        keypoints = torch.cat([batch.keypoints[..., :2] / stride, batch.keypoints[..., 2:]], dim=-1)
        return GroundTruth(keypoints, batch.sizes / stride, batch.image_index, certain)

    def match(self, poses: Tensor, image_index: Tensor, kappas: Tensor) -> tuple[Tensor, Tensor]:
        """Match each pose to the most similar labelled person in the same image.

        The match is more tolerant than COCO's OKS, so that the refiner also learns to correct large errors.

        Args:
            poses: (P, K, 2) in cells. image_index: (P,). kappas: (K,) OKS fall-off constants.

        Returns:
            (P,) rows of people, and (P,) bool: whether the pose matches a person.
        """
        if not len(self.sizes) or not len(poses):
            none = torch.zeros(len(poses), dtype=torch.long, device=poses.device)
            return none, none > 0
        labelled = (self.keypoints[..., 2] > 0).float()
        similarity = oks(poses[:, None], self.keypoints[None, ..., :2], self.sizes[None], 2 * kappas, labelled[None])
        best = similarity.masked_fill(image_index[:, None] != self.image_index[None], 0.0).max(dim=1)
        return best.indices, best.values > _SIMILAR

    def missed(self, poses: Tensor, image_index: Tensor, kappas: Tensor) -> tuple[Tensor, Tensor]:
        """Poses (M, K, 2) and images (M,) of the people without a match among the poses (P, K, 2).

        Their unlabelled joints are placed at the mean of the labelled ones.
        """
        person, is_person = self.match(poses, image_index, kappas)
        found = torch.isin(torch.arange(len(self.sizes), device=poses.device), person[is_person])
        keypoints, images = self.keypoints[~found], self.image_index[~found]
        labelled = keypoints[..., 2:] > 0
        middle = (keypoints[..., :2] * labelled).sum(dim=1) / labelled.sum(dim=1).clamp(min=1)
        return torch.where(labelled, keypoints[..., :2], middle[:, None]), images

    def certain_at(self, poses: Tensor, image_index: Tensor) -> Tensor:
        """(P,) bool: whether a pose (P, K, 2) without a match is certain to be background."""
        height, width = self.certain.shape[-2:]
        x, y = poses.mean(dim=1).floor().long().unbind(dim=-1)
        return self.certain[image_index, y.clamp(0, height - 1), x.clamp(0, width - 1)]


@dataclass(frozen=True)
class TargetConfig:
    """The area around a keypoint whose cells are trained to vote for its person.

    Attributes:
        disc: radius relative to the keypoint's OKS tolerance; 0 marks only the keypoint's own cell (paper, Fig. 2).
    """

    disc: float = 0.4


@dataclass(frozen=True)
class Targets:
    """The targets of every cell of a batch.

    Attributes:
        presence: (B, h, w) 1 on keypoints, otherwise 0.
        owner: (B, h, w) int64 row of the cell's person, -1 for background.
    """

    presence: Tensor
    owner: Tensor


def paint(
    keypoints: Tensor,
    sizes: Tensor,
    image_index: Tensor,
    shape: tuple[int, int, int],
    kappas: Tensor,
    config: TargetConfig,
) -> Targets:
    """Mark the cells on labelled keypoints with their person; the nearest keypoint owns a cell.

    Args:
        keypoints: (N, K, 3) in cells, with COCO's v; keypoints with v = 0 (unlabelled) mark no cell.
        sizes: (N,) square root of each person's area, in cells.
        image_index: (N,) image of each person.
        shape: (B, h, w) of the map.
    """
    batch, height, width = shape
    background = torch.full((batch, height, width), -1, dtype=torch.long, device=keypoints.device)
    if not len(keypoints):
        return Targets(torch.zeros(shape, device=keypoints.device), background)
    # No shape below depends on values, which would synchronise with the GPU.
    points = keypoints[..., :2]
    radius = (config.disc * kappas * sizes[:, None]).clamp(0, _REACH)
    steps = torch.arange(-_REACH, _REACH + 1, device=keypoints.device)
    offsets = torch.cartesian_prod(steps, steps)
    cells = points.floor()[:, :, None] + offsets  # (N, K, 25, 2), x first
    distance = (cells + 0.5 - points[:, :, None]).norm(dim=-1)
    inside = (distance <= radius[..., None]) | (offsets == 0).all(dim=-1)
    inside &= (cells >= 0).all(dim=-1) & (cells[..., 0] < width) & (cells[..., 1] < height)
    inside &= keypoints[..., 2:] > 0
    flat = (image_index[:, None, None] * height + cells[..., 1].long()) * width + cells[..., 0].long()
    # Distance and keypoint in one integer, whose minimum gives a cell's nearest keypoint.
    joints = keypoints.shape[0] * keypoints.shape[1]
    number = torch.arange(joints, device=flat.device).view(*points.shape[:2], 1)
    nothing = torch.iinfo(torch.long).max
    order = torch.where(inside, (distance * 4096).long() * joints + number, nothing)
    best = torch.full((background.numel(),), nothing, device=flat.device)
    best.scatter_reduce_(0, torch.where(inside, flat, 0).flatten(), order.flatten(), "amin")
    owner = torch.where(best == nothing, -1, best % joints // keypoints.shape[1]).view(background.shape)
    return Targets((owner >= 0).float(), owner)


def choose_cells(targets: Targets, count: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Sample `count` owned cells from each image, with equal probability for each person.

    Returns:
        Flat indices (B, count) and their owners (B, count), -1 if the image has no labelled person.
    """
    owner = targets.owner.flatten(1)
    counts = torch.zeros(owner.numel() + 1, device=owner.device)  # cells per person; background first
    counts.index_add_(0, owner.flatten() + 1, torch.ones_like(counts[1:]))
    owned = owner >= 0
    weights = owned / counts[owner + 1]
    weights = torch.where(owned.any(dim=1, keepdim=True), weights, 1.0)
    cells = torch.multinomial(weights, count, replacement=True, generator=generator)
    return cells, owner.gather(1, cells)


@dataclass(frozen=True)
class VoteTargets:
    """The targets of presence and votes for a batch.

    Attributes:
        people: the labelled people.
        cells: the targets of each cell.
        weights: (B, h, w) weight of each cell in the presence loss; 0 in ignore regions.
    """

    people: GroundTruth
    cells: Targets
    weights: Tensor

    @staticmethod
    def of(
        batch: Batch, stride: int, shape: tuple[int, int, int], kappas: Tensor, config: TargetConfig, incomplete: float
    ) -> VoteTargets:
        """Targets for maps of `shape` (B, h, w); `incomplete` is the weight of empty cells in incompletely labelled
        images."""
        ignore = batch.ignored(shape[1:])
        people = GroundTruth.of(batch, stride, ~ignore)
        cells = paint(people.keypoints, people.sizes, people.image_index, shape, kappas, config)
        owned = cells.owner >= 0
        known = ~ignore | owned
        empty = torch.where(batch.complete, 1.0, incomplete)[:, None, None]
        weights = torch.where(owned, torch.ones_like(empty), empty) * known
        certain = known & batch.complete[:, None, None]
        return VoteTargets(replace(people, certain=certain), cells, weights)
