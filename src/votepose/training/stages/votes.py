"""`votepose train --stage votes`: the whole network, on presence and votes and, where it has such parts, on keypoint
maps and refined poses.
"""

from __future__ import annotations

import torch
from torch import Tensor

from votepose.data.loader import Batch
from votepose.grouping import GroupingConfig, group
from votepose.models.backbones.build import Part
from votepose.models.estimator import snapped
from votepose.models.features import FeatureMaps
from votepose.models.outputs import Votes
from votepose.models.posenet import PoseNet
from votepose.skeleton import Skeleton
from votepose.training.losses.keypoint_maps import KeypointMapCriterion
from votepose.training.losses.votes import VoteCriterion, VoteLossConfig
from votepose.training.refiner_targets import build_refiner_batch
from votepose.training.stages.base import Stage
from votepose.training.stages.refiner import refiner_step
from votepose.training.targets import VoteTargets, choose_cells

_FOUND = 8  # poses per image, as inference would find them, that the refiner trains on


class VoteStage(Stage):
    """Presence, votes, keypoint maps and refined poses of one pyramid level.

    Args:
        config: the losses.
        skeleton: of the people.
        frozen: part of the backbone that does not train.
    """

    kappas: Tensor
    flip: Tensor

    def __init__(self, config: VoteLossConfig, skeleton: Skeleton, frozen: Part = "none") -> None:
        super().__init__(frozen)
        self.config = config
        self.register_buffer("kappas", torch.from_numpy(skeleton.kappas), persistent=False)
        self.register_buffer("flip", torch.from_numpy(skeleton.flip), persistent=False)
        self.criterion = VoteCriterion(config, self.kappas)
        self.keypoint_maps = KeypointMapCriterion(self.kappas, config.incomplete)

    def forward(self, network: PoseNet, batch: Batch) -> dict[str, Tensor]:
        maps = network.encode(batch.images)
        targets, votes, owners = cast_votes(network, maps, batch, self.config, self.kappas)
        parts: dict[str, Tensor] = self.criterion(maps.presence, votes, owners, targets)
        if maps.keypoint_maps is not None:
            located = self.keypoint_maps(maps.keypoint_maps, batch)
            total = parts.pop("total") + self.config.keypoint_maps * located.pop("total")
            parts = {**parts, **located, "total": total}
        if network.refiner is None or self.config.form == "paper":
            return parts
        poses, image_index = self._poses_to_refine(network, maps, votes, owners)
        refiner_batch = build_refiner_batch(network, [maps], poses, image_index, targets.people, self.kappas)
        refined = refiner_step(network.refiner, refiner_batch, self.kappas, self.flip)
        total = parts.pop("total") + self.config.refiner * refined.pop("total")
        return {**parts, **refined, "total": total}

    def _poses_to_refine(
        self, network: PoseNet, maps: FeatureMaps, votes: Votes, owners: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Poses (P, K, 2) and images (P,): pooled from a few true votes of each person, and as inference finds them."""
        poses, log_scales, image_index = _pool_some(votes, owners)
        config = GroupingConfig(presence_threshold=0.3, candidates=96)
        presence = maps.presence[-1].sigmoid().flatten(1)
        presence, cells = presence.topk(min(config.candidates, presence.shape[1]))
        found = network.predict_votes(maps, cells)
        width = maps.features.shape[-1]
        centres = torch.stack([cells % width, cells // width], dim=-1) + 0.5
        with torch.autocast(presence.device.type, enabled=False):  # a bf16 product would round coordinates
            groups = group(found.poses, found.log_scales, centres, presence, self.kappas, config)
        ranked = torch.where(groups.leader, groups.support, -1.0).topk(_FOUND)
        image, row = (ranked.values > 0).nonzero(as_tuple=True)
        leaders = ranked.indices[image, row]
        poses = torch.cat([poses, groups.poses[image, leaders]])
        log_scales = torch.cat([log_scales, groups.log_scales[image, leaders]])
        image_index = torch.cat([image_index, image])
        return snapped([maps], poses, log_scales, image_index), image_index


def cast_votes(
    network: PoseNet, maps: FeatureMaps, batch: Batch, config: VoteLossConfig, kappas: Tensor
) -> tuple[VoteTargets, Votes, Tensor]:
    """Targets of a batch, the votes of some of the cells on labelled keypoints, and the rows (B, Q) of their people."""
    images, height, width = maps.presence[-1].shape
    stride = network.config.stride
    targets = VoteTargets.of(batch, stride, (images, height, width), kappas, config.targets, config.incomplete)
    cells, owners = choose_cells(targets.cells, config.votes)
    return targets, network.predict_votes(maps, cells), owners


def _pool_some(votes: Votes, owners: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each person's pose as pooled from a random few of its own votes: (N', K, 2), log scales (N', K), images (N',)."""
    image, column = (owners >= 0).nonzero(as_tuple=True)
    people, index = owners[image, column].unique(return_inverse=True)
    # Weights raised to random powers: sometimes one vote decides, sometimes many.
    chance = torch.rand(len(image), device=owners.device) ** 4 + 1e-3
    log_scales = votes.log_scales[image, column]
    weights = chance[:, None] * torch.exp(-2 * log_scales)

    def summed(values: Tensor) -> Tensor:
        return torch.zeros(len(people), *values.shape[1:], device=owners.device).index_add(0, index, values.float())

    total = summed(weights).clamp(min=1e-12)
    poses = summed(votes.poses[image, column] * weights[..., None]) / total[..., None]
    images = torch.zeros(len(people), dtype=torch.long, device=owners.device).index_copy(0, index, image)
    return poses, summed(log_scales * weights) / total, images
