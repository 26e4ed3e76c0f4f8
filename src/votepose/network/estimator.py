"""Network and grouping as one module: images in, people out. What `evaluate` runs and what `export` writes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.calibration import Calibration
from votepose.grouping import GroupingConfig, Groups, group, joint_confidences, suppress, vote_sizes
from votepose.letterbox import FILL, MULTIPLE
from votepose.network.posenet import Maps, PoseNet, Votes

_DUPLICATE = 0.7  # two people this alike (OKS) are one person found twice
_LARGE = 40.0  # cells: who is larger is looked at again on a coarser level
_FAINT = 0.02  # people below this score, uncalibrated, are not worth a row
_NO_VOTE = 1.0  # a joint that no vote was cast on: so much less, as a logit, is it taken for visible
_SURE = 10.0  # a logit of visibility where votes alone decide


class People(NamedTuple):
    """P people found in B images. Named as the exported graph's outputs are.

    Attributes:
        image_index: (P,) int64 image of each.
        keypoints: (P, K, 2) in input pixels.
        confidences: (P, K) in [0, 1]: the share of OKS that the joint is expected to keep.
        seen: (P, K) bool: the joint is visible; otherwise inferred from the votes.
        scores: (P,) in [0, 1]: the OKS that the person is expected to have with somebody real.
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


@dataclass(frozen=True)
class _Level:
    """One level of the image pyramid: what the network knows at this size, and the votes cast there.

    Attributes:
        maps: of the network, in this level's cells.
        strength, centres, votes: (B, Q), (B, Q, 2) and (B, Q, ...) of the cells asked, in the *finest* level's cells.
    """

    maps: Maps
    strength: Tensor
    centres: Tensor
    votes: Votes


class PoseEstimator(nn.Module):
    """The whole of votepose: `forward` maps images (B, H, W, 3) uint8 RGB, sides multiples of 32, to `People`.

    Args:
        network: its parts.
        kappas: (K,) of the skeleton.
        config: how votes become people.
        levels: of the image pyramid, each half the one before. All levels vote and the votes are grouped together, so
            that near people, larger than the network's field of view, are found as well as far ones.
        calibration: what makes confidences, scores and `seen` of the network's beliefs.
    """

    kappas: Tensor

    def __init__(self, network: PoseNet, kappas: Tensor, config: GroupingConfig, levels: int = 1,
                 calibration: Calibration = Calibration()) -> None:  # noqa: B008 - frozen  # fmt: skip
        super().__init__()
        self.network, self.config, self.levels, self.calibration = network, config, levels, calibration
        self.register_buffer("kappas", kappas, persistent=False)

    def forward(self, images: Tensor, presence_threshold: Tensor) -> People:
        return self.explain(images, presence_threshold)[0]

    def explain(self, images: Tensor, presence_threshold: Tensor) -> tuple[People, Ballot]:
        """The people, and the votes that made them."""
        config = replace(self.config, presence_threshold=presence_threshold)
        pixels = images.permute(0, 3, 1, 2).float()
        levels = [self._level(pixels, i, presence_threshold) for i in range(self.levels)]
        columns = ((x.strength, x.centres, x.votes.poses, x.votes.log_scales) for x in levels)
        strength, centres, poses, log_scales = (torch.cat(column, dim=1) for column in zip(*columns, strict=True))
        with torch.autocast(images.device.type, enabled=False):  # a bf16 product would round coordinates
            groups = group(poses, log_scales, centres, strength, self.kappas, config)
        leader, *people = self._people([x.maps for x in levels], groups)
        image_index, found, joint_scales, visible, scores = people
        confidences = self.calibration.of_joints(joint_confidences(joint_scales, vote_sizes(found), self.kappas))
        seen, scores = self.calibration.is_seen(visible), self.calibration.of_people(scores)
        stride, presence = self.network.config.stride, levels[0].maps.presence[-1].sigmoid()
        result = People(image_index, found * stride, confidences, seen, scores, presence)
        image, row = ((strength >= presence_threshold) & (strength > 0)).nonzero(as_tuple=True)
        order = torch.ones_like(leader).cumsum(0) - 1  # arange(P): a tracer would write P down as a constant
        person = torch.full_like(groups.follow, -1).flatten().scatter(0, leader, order)
        voted = person[_flat(groups, image, groups.follow[image, row])]
        return result, Ballot(
            image, centres[image, row] * stride, poses[image, row] * stride, log_scales[image, row].exp() * stride,
            strength[image, row], voted,
        )  # fmt: skip

    def _level(self, pixels: Tensor, level: int, threshold: Tensor) -> _Level:
        """What is seen and voted at half the size, `level` times over."""
        if level:
            pixels = _padded(F.avg_pool2d(pixels, 2**level))
        maps = self.network.encode(pixels)
        presence = maps.presence[-1].sigmoid()
        strength, cells = self._candidates(presence, threshold, self.config.candidates >> level)
        votes = self.network.ask(maps, cells)
        width = presence.shape[-1]
        centres = torch.stack([cells % width, torch.div(cells, width, rounding_mode="floor")], dim=-1) + 0.5
        return _Level(
            maps, strength, centres * 2**level,
            Votes(votes.poses.float() * 2**level, votes.log_scales.float() + level * math.log(2)),
        )  # fmt: skip

    def _candidates(self, presence: Tensor, threshold: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """(B, Q) presence and flat index of the cells that are asked: the likeliest, or the likeliest peaks.

        Where a crowd has more peaks than may be asked, the likeliest of each block of the map come first, so that
        hardly anybody is left without a vote.
        """
        first = torch.zeros_like(presence)
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

    def _people(self, maps: Sequence[Maps], groups: Groups) -> tuple[Tensor, ...]:
        """Groups -> the people to report: (flat index of the leading vote, image, poses, log_scales, logits of
        visibility, scores)."""
        image, row = groups.leader.nonzero(as_tuple=True)
        columns = (groups.poses, groups.log_scales, groups.seen, groups.scores)
        people = (_flat(groups, image, row), image, *(x[image, row] for x in columns))
        # A person found twice would only be looked at again to be dropped after it.
        people = _rows(suppress(people[2], people[5], image, self.kappas, _DUPLICATE), *people)
        leader, image, poses, log_scales, visible, scores = self._look_again(maps, *people)
        keep = suppress(poses, scores, image, self.kappas, _DUPLICATE) & (scores > _FAINT)
        return _rows(keep, leader, image, poses, log_scales, visible, scores)

    def _look_again(self, maps: Sequence[Maps], leader: Tensor, image_index: Tensor, poses: Tensor, log_scales: Tensor,
                    seen: Tensor, scores: Tensor) -> tuple[Tensor, ...]:  # fmt: skip
        """The same people, corrected, each on the level that suits its size; rows come in another order. In place of
        `seen`, there are logits of visibility."""
        if self.network.second_look is None:
            visible = _SURE * (2 * seen.float() - 1)
            return leader, image_index, poses, log_scales, visible, scores
        sizes, parts = vote_sizes(poses), []
        for level, of_level in enumerate(maps):
            rows = sizes < _LARGE * 2**level if level + 1 < len(maps) else torch.ones_like(sizes, dtype=torch.bool)
            rows = rows & (sizes >= _LARGE * 2 ** (level - 1)) if level else rows
            look = self.network.look_again(of_level, poses[rows] / 2**level, image_index[rows])[-1]
            parts.append((
                rows.nonzero()[:, 0], look.poses.float() * 2**level, look.log_scales.float() + level * math.log(2),
                look.seen.float(), look.quality.float(),
            ))  # fmt: skip
        order, poses, log_scales, visible, quality = (torch.cat(columns) for columns in zip(*parts, strict=True))
        # How well the votes agree and how good the pose looks are two witnesses: together they rank better than either.
        scores = (scores[order] * quality.sigmoid()).sqrt()
        # A joint is seen where the look finds it visible; that a vote was cast on it speaks for it.
        visible = visible - _NO_VOTE * (~seen[order]).float()
        return leader[order], image_index[order], poses, log_scales, visible, scores


def _padded(pixels: Tensor) -> Tensor:
    """Pixels (B, 3, H, W) with grey below and to the right, up to multiples of 32."""
    height, width = pixels.shape[-2:]
    return F.pad(pixels, (0, -width % MULTIPLE, 0, -height % MULTIPLE), value=FILL)


def _flat(groups: Groups, image: Tensor, row: Tensor) -> Tensor:
    """Index of an image's vote among the votes of the whole batch."""
    return image * groups.follow.shape[-1] + row


def _rows(keep: Tensor, *columns: Tensor) -> tuple[Tensor, ...]:
    return tuple(column[keep] for column in columns)
