"""`votepose train --stage votes`: trains the whole network on presence and votes and, if it has these parts, keypoint
maps, focus and refined poses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

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
from votepose.training.kernels.graphs import RecordedNetwork
from votepose.training.losses.focus import focus_loss
from votepose.training.losses.keypoint_maps import KeypointMapCriterion
from votepose.training.losses.votes import VoteCriterion, VoteLossConfig
from votepose.training.refiner_targets import build_refiner_batch
from votepose.training.stages.base import Setting, Stage
from votepose.training.stages.refiner import refiner_step
from votepose.training.targets import VoteTargets, choose_cells

_FOUND = 8  # number of poses per image, found by grouping votes, that the refiner trains on


class VoteStage(Stage):
    """Trains presence, votes, keypoint maps and refined poses on one pyramid level.

    Args:
        config: the losses.
        skeleton: skeleton of the people.
        frozen: part of the backbone that is not trained.
    """

    betas: ClassVar[tuple[float, float]] = (0.9, 0.99)
    kappas: Tensor
    flip: Tensor

    def __init__(self, config: VoteLossConfig, skeleton: Skeleton, frozen: Part = "none") -> None:
        super().__init__(frozen)
        self.config = config
        self.register_buffer("kappas", torch.from_numpy(skeleton.kappas), persistent=False)
        self.register_buffer("flip", torch.from_numpy(skeleton.flip), persistent=False)
        self.criterion = VoteCriterion(config, self.kappas)
        self.keypoint_maps = KeypointMapCriterion(self.kappas, config.incomplete)
        self.recorded = RecordedNetwork()

    @classmethod
    def build(cls, setting: Setting) -> Stage:
        return cls(setting.recipe.losses, setting.skeleton, setting.frozen)

    def record(self, network: PoseNet, batch: Batch) -> None:
        poses = 0 if self.config.form == "paper" else self.config.refined * len(batch)
        self.recorded.record(network, batch.images, self.config.votes, poses, self.kappas)

    def forward(self, network: PoseNet, batch: Batch) -> dict[str, Tensor]:
        # Targets first: their synchronisation with the GPU then happens before the network is launched.
        side = [pixels // network.config.stride for pixels in batch.images.shape[-2:]]
        targets = vote_targets(network, batch, side, self.config, self.kappas)
        cells, owners = choose_cells(targets.cells, self.config.votes)
        maps = self.recorded.encode(network, batch.images)
        votes = self.recorded.predict_votes(network, maps, cells)
        parts: dict[str, Tensor] = self.criterion(maps.presence, votes, owners, targets)
        if maps.keypoint_maps is not None:
            located = self.keypoint_maps(maps.keypoint_maps, batch)
            total = parts.pop("total") + self.config.keypoint_maps * located.pop("total")
            parts = {**parts, **located, "total": total}
        if network.focus is not None:
            focus = focus_loss(network.focus, maps.features, batch, self.config.incomplete)
            parts = {**parts, "focus": focus, "total": parts["total"] + focus}
        if network.refiner is None or self.config.form == "paper":
            return parts
        poses, image_index = self._poses_to_refine(network, maps, votes, owners, len(targets.people.sizes))
        refiner_batch = build_refiner_batch(network, [maps], poses, image_index, targets.people, self.kappas)
        refined = refiner_step(network.refiner, refiner_batch, self.kappas, self.flip, self.recorded)
        total = parts.pop("total") + self.config.refiner * refined.pop("total")
        return {**parts, **refined, "total": total}

    @torch.no_grad()
    def _poses_to_refine(
        self, network: PoseNet, maps: FeatureMaps, votes: Votes, owners: Tensor, people: int
    ) -> tuple[Tensor, Tensor]:
        """A fixed number of poses (P, K, 2) and their images (P,): some pooled from a few true votes of each person,
        and some found by grouping the votes of the strongest cells."""
        poses, log_scales, images, valid = _pool_some(votes, owners, people)
        config = GroupingConfig(presence_threshold=0.3, candidates=96)
        presence = maps.presence[-1].sigmoid().flatten(1)
        presence, cells = presence.topk(min(config.candidates, presence.shape[1]))
        found = network.predict_votes(maps, cells)
        width = maps.features.shape[-1]
        centres = torch.stack([cells % width, cells // width], dim=-1) + 0.5
        with torch.autocast(presence.device.type, enabled=False):  # a bf16 product would round coordinates
            groups = group(found.poses, found.log_scales, centres, presence, self.kappas, config)
        ranked = torch.where(groups.leader, groups.support, -1.0).topk(_FOUND)
        image = torch.arange(len(cells), device=cells.device)[:, None].expand_as(ranked.indices)
        poses = torch.cat([poses, groups.poses[image, ranked.indices].flatten(0, 1).float()])
        log_scales = torch.cat([log_scales, groups.log_scales[image, ranked.indices].flatten(0, 1).float()])
        images, valid = torch.cat([images, image.flatten()]), torch.cat([valid, (ranked.values > 0).flatten()])
        count = self.config.refined * len(cells)
        # Sampled with replacement, since the number of candidates is known only on the device.
        chosen = torch.multinomial(valid + 1e-9, count, replacement=True)
        torch.clear_autocast_cache()  # weights cast without gradient must not be reused with gradient
        images = images[chosen]
        return snapped([maps], poses[chosen], log_scales[chosen], images), images


def vote_targets(
    network: PoseNet, batch: Batch, side: Sequence[int], config: VoteLossConfig, kappas: Tensor
) -> VoteTargets:
    """Targets of a batch on maps of this height and width."""
    shape = (len(batch), side[0], side[1])
    return VoteTargets.of(batch, network.config.stride, shape, kappas, config.targets, config.incomplete)


def cast_votes(
    network: PoseNet, maps: FeatureMaps, batch: Batch, config: VoteLossConfig, kappas: Tensor
) -> tuple[VoteTargets, Votes, Tensor]:
    """Targets of a batch, the votes of some cells on labelled keypoints, and the rows (B, Q) of their people."""
    targets = vote_targets(network, batch, maps.presence[-1].shape[-2:], config, kappas)
    cells, owners = choose_cells(targets.cells, config.votes)
    return targets, network.predict_votes(maps, cells), owners


def _pool_some(votes: Votes, owners: Tensor, people: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Each person's pose, pooled from a few random votes of that person.

    Returns:
        (N, K, 2) poses, (N, K) log scales, (N,) images, and (N,) bool: whether the person has any vote.
    """
    row = owners.flatten() + 1  # votes of background come first
    # Weights are raised to random powers, so that sometimes one vote dominates, sometimes many count.
    chance = torch.rand(len(row), device=owners.device) ** 4 + 1e-3
    log_scales = votes.log_scales.flatten(0, 1).float()
    weights = chance[:, None] * torch.exp(-2 * log_scales)

    def summed(values: Tensor) -> Tensor:
        return values.new_zeros(people + 1, *values.shape[1:]).index_add(0, row, values)[1:]

    total = summed(weights)
    shares = total.clamp(min=1e-12)
    poses = summed(votes.poses.flatten(0, 1) * weights[..., None]) / shares[..., None]
    image = torch.arange(len(owners), device=owners.device).repeat_interleave(owners.shape[1])
    images = torch.zeros(people + 1, dtype=torch.long, device=owners.device).index_copy(0, row, image)[1:]
    return poses, summed(log_scales * weights) / shares, images, total[:, 0] > 0
