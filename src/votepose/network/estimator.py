"""Network and grouping as one module: images in, people out. What `evaluate` runs and what `export` writes."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.grouping import GroupingConfig, group, joint_confidences, suppress, vote_sizes
from votepose.network.posenet import Maps, PoseNet

_DUPLICATE = 0.7  # two people this alike (OKS) are one person found twice
_FAINT = 0.02  # people below this score are not worth a row


class People(NamedTuple):
    """P people found in B images. Named as the exported graph's outputs are.

    Attributes:
        image_index: (P,) int64 image of each.
        keypoints: (P, K, 2) in input pixels.
        confidences: (P, K) in [0, 1]: the share of OKS that the joint is expected to keep.
        seen: (P, K) bool: the joint is visible; otherwise inferred from the votes.
        scores: (P,) in [0, 1].
        presence: (B, h, w) likelihood of a keypoint at each cell.
    """

    image_index: Tensor
    keypoints: Tensor
    confidences: Tensor
    seen: Tensor
    scores: Tensor
    presence: Tensor


class PoseEstimator(nn.Module):
    """The whole of votepose: `forward` maps images (B, H, W, 3) uint8 RGB, sides multiples of 32, to `People`."""

    kappas: Tensor

    def __init__(self, network: PoseNet, kappas: Tensor, config: GroupingConfig) -> None:
        super().__init__()
        self.network, self.config = network, config
        self.register_buffer("kappas", kappas, persistent=False)

    def forward(self, images: Tensor, presence_threshold: Tensor) -> People:
        config = replace(self.config, presence_threshold=presence_threshold)
        maps = self.network.encode(images.permute(0, 3, 1, 2))
        presence = maps.presence[-1].sigmoid()
        # Padded, so that the smallest of maps has cells enough to choose from: without presence, they vote for nobody.
        strength, cells = F.pad(self._rank(presence), (0, self.config.candidates)).topk(self.config.candidates)
        cells = cells * (strength > 0)
        votes = self.network.ask(maps, cells)
        width = presence.shape[-1]
        centres = torch.stack([cells % width, torch.div(cells, width, rounding_mode="floor")], dim=-1) + 0.5
        with torch.autocast(images.device.type, enabled=False):  # a bf16 product would round coordinates
            groups = group(votes.poses.float(), votes.log_scales.float(), centres, strength, self.kappas, config)
        image_index, row = groups.leader.nonzero(as_tuple=True)
        people = (
            image_index,
            *(x[image_index, row] for x in (groups.poses, groups.log_scales, groups.seen, groups.scores)),
        )
        # A person found twice would only be looked at again to be dropped after it.
        people = _rows(suppress(people[1], people[4], image_index, self.kappas, _DUPLICATE), *people)
        image_index, poses, log_scales, seen, scores = self._look_again(maps, *people)
        keep = suppress(poses, scores, image_index, self.kappas, _DUPLICATE) & (scores > _FAINT)
        image_index, poses, log_scales, seen, scores = _rows(keep, image_index, poses, log_scales, seen, scores)
        confidences = joint_confidences(log_scales, vote_sizes(poses), self.kappas)
        return People(image_index, poses * self.network.config.stride, confidences, seen, scores, presence)

    def _rank(self, presence: Tensor) -> Tensor:
        """(B, h w) presence of the cells that may vote; 0 where a neighbour is likelier, if only peaks may."""
        if self.config.peaks:
            highest = F.max_pool2d(presence[:, None], 3, 1, 1)[:, 0]
            presence = presence * (presence == highest)
        return presence.flatten(1)

    def _look_again(self, maps: Maps, image_index: Tensor, poses: Tensor, log_scales: Tensor, seen: Tensor,
                    scores: Tensor) -> tuple[Tensor, ...]:  # fmt: skip
        """The same people, corrected: (image_index, poses, log_scales, seen, scores)."""
        if self.network.second_look is None:
            return image_index, poses, log_scales, seen, scores
        last = self.network.look_again(maps, poses, image_index)[-1]
        # How well the votes agree and how good the pose looks are two witnesses: together they rank better than either.
        scores = (scores * last.quality.float().sigmoid()).sqrt()
        # A joint is seen where some vote was cast on it and the look finds it visible.
        return image_index, last.poses.float(), last.log_scales.float(), seen & (last.seen > 0), scores


def _rows(keep: Tensor, *columns: Tensor) -> tuple[Tensor, ...]:
    return tuple(column[keep] for column in columns)
