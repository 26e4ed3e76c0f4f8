"""Network and grouping as one module: images in, people out. What `evaluate` runs and what `export` writes."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.grouping import GroupingConfig, Groups, group, joint_confidences, suppress, vote_sizes
from votepose.letterbox import MULTIPLE
from votepose.network.posenet import Maps, PoseNet, Votes

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


class Ballot(NamedTuple):
    """The V votes behind the people: which cell was asked, what it answered, and to whom that went.

    Attributes:
        vote_image: (V,) int64 image of each.
        vote_cells: (V, 2) centre of the cell that voted, in input pixels.
        vote_poses: (V, K, 2) the joints it voted for, in input pixels.
        vote_scales: (V, K) Laplace scale of each joint, in input pixels.
        vote_presence: (V,) likelihood of a keypoint at the cell.
        vote_person: (V,) int64 row of `People` that the vote went to; -1 where that person was dropped as another's
            duplicate or as too faint.
    """

    vote_image: Tensor
    vote_cells: Tensor
    vote_poses: Tensor
    vote_scales: Tensor
    vote_presence: Tensor
    vote_person: Tensor


class PoseEstimator(nn.Module):
    """The whole of votepose: `forward` maps images (B, H, W, 3) uint8 RGB, sides multiples of 32, to `People`."""

    kappas: Tensor

    def __init__(self, network: PoseNet, kappas: Tensor, config: GroupingConfig) -> None:
        super().__init__()
        self.network, self.config = network, config
        self.register_buffer("kappas", kappas, persistent=False)

    def forward(self, images: Tensor, presence_threshold: Tensor) -> People:
        return self.explain(images, presence_threshold)[0]

    def explain(self, images: Tensor, presence_threshold: Tensor) -> tuple[People, Ballot]:
        """The people, and the votes that made them."""
        config = replace(self.config, presence_threshold=presence_threshold)
        maps = self.network.encode(images.permute(0, 3, 1, 2))
        presence = maps.presence[-1].sigmoid()
        strength, cells = self._candidates(presence, presence_threshold)
        votes = self.network.ask(maps, cells)
        votes = Votes(votes.poses.float(), votes.log_scales.float())
        width = presence.shape[-1]
        centres = torch.stack([cells % width, torch.div(cells, width, rounding_mode="floor")], dim=-1) + 0.5
        with torch.autocast(images.device.type, enabled=False):  # a bf16 product would round coordinates
            groups = group(votes.poses, votes.log_scales, centres, strength, self.kappas, config)
        leader, *people = self._people(maps, groups)
        image_index, poses, log_scales, seen, scores = people
        confidences = joint_confidences(log_scales, vote_sizes(poses), self.kappas)
        stride = self.network.config.stride
        found = People(image_index, poses * stride, confidences, seen, scores, presence)
        image, row = ((strength >= presence_threshold) & (strength > 0)).nonzero(as_tuple=True)
        order = torch.ones_like(leader).cumsum(0) - 1  # arange(P): a tracer would write P down as a constant
        person = torch.full_like(groups.follow, -1).flatten().scatter(0, leader, order)
        voted = person[_flat(groups, image, groups.follow[image, row])]
        return found, Ballot(
            image, centres[image, row] * stride, votes.poses[image, row] * stride,
            votes.log_scales[image, row].exp() * stride, strength[image, row], voted,
        )  # fmt: skip

    def _candidates(self, presence: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor]:
        """(B, Q) presence and flat index of the cells that are asked: the likeliest, or the likeliest peaks.

        Where a crowd has more peaks than may be asked, the likeliest of each block of the map come first, so that
        hardly anybody is left without a vote.
        """
        count, first = self.config.candidates, torch.zeros_like(presence)
        if self.config.peaks:
            side = MULTIPLE // self.network.config.stride  # an input is a whole number of blocks
            presence = presence * (presence == F.max_pool2d(presence[:, None], 3, 1, 1)[:, 0])
            blocks = F.interpolate(F.max_pool2d(presence[:, None], side), scale_factor=side, mode="nearest")[:, 0]
            first = ((presence == blocks) & (presence >= threshold)).to(presence.dtype)
        # Padded, so that the smallest of maps has cells enough to choose from: without presence, they vote for nobody.
        presence, first = F.pad(presence.flatten(1), (0, count)), F.pad(first.flatten(1), (0, count))
        cells = (presence + first).topk(count).indices
        strength = presence.gather(1, cells)
        return strength, cells * (strength > 0)

    def _people(self, maps: Maps, groups: Groups) -> tuple[Tensor, ...]:
        """Groups -> the people to report: (flat index of the leading vote, image, poses, log_scales, seen, scores)."""
        image, row = groups.leader.nonzero(as_tuple=True)
        columns = (groups.poses, groups.log_scales, groups.seen, groups.scores)
        people = (_flat(groups, image, row), image, *(x[image, row] for x in columns))
        # A person found twice would only be looked at again to be dropped after it.
        people = _rows(suppress(people[2], people[5], image, self.kappas, _DUPLICATE), *people)
        leader = people[0]
        image, poses, log_scales, seen, scores = self._look_again(maps, *people[1:])
        keep = suppress(poses, scores, image, self.kappas, _DUPLICATE) & (scores > _FAINT)
        return _rows(keep, leader, image, poses, log_scales, seen, scores)

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


def _flat(groups: Groups, image: Tensor, row: Tensor) -> Tensor:
    """Index of an image's vote among the votes of the whole batch."""
    return image * groups.follow.shape[-1] + row


def _rows(keep: Tensor, *columns: Tensor) -> tuple[Tensor, ...]:
    return tuple(column[keep] for column in columns)
