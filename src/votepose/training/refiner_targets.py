"""Training data of the refiner: regions around poses with errors, and their labelled people.

The refiner trains on poses pooled as in inference, and on true poses with synthetic errors typical of pose estimators
(jitter, inverted sides, stray joints; Ronchi & Perona, ICCV 2017; Moon et al., PoseFix, CVPR 2019), to cover more
errors than occur on the training images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from votepose.models.features import FeatureMaps
from votepose.models.heads.refiner import draw
from votepose.models.heads.roi_align import CLOSE_MARGIN, WIDE_MARGIN, RoiGrid
from votepose.models.posenet import PoseNet
from votepose.training.targets import GroundTruth

_SHARE_SYNTHETIC = 0.4  # share of people with synthetic errors
_INVERTED = _STRAY = 0.06  # shares of their joints
_DROPPED = 0.1  # share of all joints that are not drawn
_TWICE = 0.5  # share of poses that have been refined once already


@dataclass(frozen=True)
class RefinerTargets:
    """The labelled people behind P poses, in the grid of their regions.

    Attributes:
        keypoints: (P, K, 3) with COCO's v; zeros for background.
        sizes: (P,) square root of the area.
        is_person: (P,) bool: whether the pose belongs to a labelled person.
        weight: (P,) weight in the quality loss; 0 where people may be unlabelled.
    """

    keypoints: Tensor
    sizes: Tensor
    is_person: Tensor
    weight: Tensor


@dataclass(frozen=True)
class RefinerBatch:
    """The refiner's input for P people, and its targets.

    Attributes:
        rois: regions of the maps, as returned by `roi_align`.
        poses: (P, K, 2) poses as found, in the regions' grid.
        targets: targets of the same people.
    """

    rois: list[Tensor]
    poses: Tensor
    targets: RefinerTargets

    def __len__(self) -> int:
        return len(self.poses)

    def to(self, device: torch.device | str) -> RefinerBatch:
        targets = RefinerTargets(*(getattr(self.targets, field.name).to(device) for field in fields(self.targets)))
        return RefinerBatch([roi.to(device) for roi in self.rois], self.poses.to(device), targets)


def build_refiner_batch(
    network: PoseNet,
    pyramid: Sequence[FeatureMaps],
    poses: Tensor,
    image_index: Tensor,
    people: GroundTruth,
    kappas: Tensor,
) -> RefinerBatch:
    """Build the batch for poses (P, K, 2), in cells, of the images `image_index` (P,).

    Half of the poses are refined once and get tighter regions; the others are unchanged.
    """
    twice = torch.rand(len(poses), device=poses.device) < _TWICE
    poses = poses.nan_to_num()  # of a network that diverges; the loss tells, after regions that can be cut
    poses = torch.where(twice[:, None, None], _refined(network, pyramid, poses, image_index, kappas), poses)
    poses = poses.nan_to_num()
    person, is_person = people.match(poses, image_index, kappas)
    grid = RoiGrid.around(poses, image_index, torch.where(twice, CLOSE_MARGIN, WIDE_MARGIN), network.roi_pitch)
    targets = RefinerTargets(
        torch.zeros(*poses.shape[:2], 3, device=poses.device),
        torch.ones_like(grid.spacings),
        is_person,
        (is_person | people.certain_at(poses, image_index)).float(),
    )
    if len(people.keypoints):
        keypoints = people.keypoints[person]
        inside = torch.cat([grid.to_grid(keypoints[..., :2]), keypoints[..., 2:]], dim=-1) * is_person[:, None, None]
        sizes = torch.where(is_person, people.sizes[person] / grid.spacings, targets.sizes)
        targets = RefinerTargets(inside, sizes, is_person, targets.weight)
    return RefinerBatch(network.rois(pyramid, grid), grid.to_grid(poses), targets)


@torch.no_grad()
def _refined(
    network: PoseNet, pyramid: Sequence[FeatureMaps], poses: Tensor, image_index: Tensor, kappas: Tensor
) -> Tensor:
    """The poses refined once, as in inference."""
    assert network.refiner is not None
    training = network.refiner.training
    network.refiner.eval()
    refined = network.refine(pyramid, poses, image_index, kappas).poses
    network.refiner.train(training)
    torch.clear_autocast_cache()  # weights cast without gradient must not be reused with gradient
    return refined


def synthesize_pose_errors(poses: Tensor, targets: RefinerTargets, kappas: Tensor, flip: Tensor) -> Tensor:
    """Input poses (P, K, 2): the given poses or, for some labelled people, the true poses with errors."""
    labelled = targets.keypoints[..., 2] > 0
    chance = torch.rand(3, *labelled.shape, device=poses.device)
    spread = 0.8 * torch.exp(0.7 * torch.randn_like(chance[0])) * kappas * targets.sizes[:, None]
    wrong = targets.keypoints[..., :2] + torch.randn_like(poses) * spread[..., None]
    wrong = torch.where((chance[0] < _INVERTED)[..., None], wrong[:, flip], wrong)
    wrong = torch.where((chance[1] < _STRAY)[..., None], wrong + 3 * torch.randn_like(poses), wrong)
    use = (targets.is_person & (chance[2, :, 0] < _SHARE_SYNTHETIC))[:, None] & labelled & labelled[:, flip]
    return torch.where(use[..., None], wrong, poses)


def drop_keypoints(poses: Tensor) -> Tensor:
    """Draw poses (P, K, 2) without a few random joints (see `refiner.draw`)."""
    kept = torch.rand(poses.shape[:2], device=poses.device) > _DROPPED
    return draw(poses) * kept[..., None, None]
