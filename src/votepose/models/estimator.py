"""Network and grouping as one module from images to people, which `evaluate` runs and `export` writes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.grouping import GroupingConfig, Groups, group, joint_confidences
from votepose.letterbox import FILL, MULTIPLE
from votepose.models.calibration import Calibration
from votepose.models.features import FeatureMaps
from votepose.models.focus import Focus, pasted
from votepose.models.heads.keypoint_maps import snap_to_keypoints
from votepose.models.heads.roi_align import CLOSE_MARGIN, WIDE_MARGIN
from votepose.models.outputs import PoseOutputs, RefinedPoses, VoteOutputs, Votes, joined_outputs
from votepose.models.posenet import PoseNet
from votepose.oks import body_sizes, oks_nms

_DUPLICATE = 0.7  # minimum OKS of two detections of one person
_MIN_SCORE = 0.02  # minimum uncalibrated score of a person
_NO_VOTE = 1.0  # subtracted from the visibility logit of a joint without a vote cast on it
_EDGE = 16  # pixels from the edge of the focus at which a pose counts as cut off; less than the focus's margin
_SURE = 10.0  # visibility logit if only the votes decide
_VOTE_SHARE = 0.15  # exponent of the votes' score in a person's score; chosen on held-out images


@dataclass(frozen=True)
class Level:
    """One level of the image pyramid: the network's maps at this size, and the votes cast there.

    Attributes:
        maps: maps of the network, in this level's cells.
        strength, centres, votes: (B, Q), (B, Q, 2) and (B, Q, ...) for the candidates, in the *finest* level's cells.
    """

    maps: FeatureMaps
    strength: Tensor
    centres: Tensor
    votes: Votes


class VotedPeople(NamedTuple):
    """P people pooled from their votes.

    Attributes:
        leader: (P,) flat index of the vote that leads each person's group.
        image_index: (P,) image of each.
        poses: (P, K, 2) in cells.
        log_scales: (P, K) pooled log Laplace scale in cells.
        voted: (P, K) bool: whether a vote was cast on the joint.
        scores: (P,) confidence in the votes, in [0, 1].
    """

    leader: Tensor
    image_index: Tensor
    poses: Tensor
    log_scales: Tensor
    voted: Tensor
    scores: Tensor


class FoundPeople(NamedTuple):
    """P people to report, uncalibrated.

    Attributes:
        leader, image_index, poses: as in `VotedPeople`.
        confidences: (P, K) in [0, 1].
        visibility: (P, K) logits.
        scores: (P,) in [0, 1].
    """

    leader: Tensor
    image_index: Tensor
    poses: Tensor
    confidences: Tensor
    visibility: Tensor
    scores: Tensor


People = TypeVar("People", VotedPeople, FoundPeople)


class PoseEstimator(nn.Module):
    """The complete estimator: maps images (B, H, W, 3) uint8 RGB, sides multiples of 32, to `PoseOutputs`.

    Args:
        network: the network.
        kappas: (K,) OKS fall-off constants of the skeleton.
        config: options of the grouping.
        levels: number of image pyramid levels, each half the size of the one before. The votes of all levels are
            grouped together, so that people larger than the network's field of view are found as well as small ones.
        calibration: maps the network's raw outputs to confidences, scores and `seen`.
        focus: whether the finest of several levels only sees the rectangle around small people, if the network has a
            focus head (see `models.focus`). Each image of a batch is then processed by itself.
    """

    kappas: Tensor

    def __init__(
        self,
        network: PoseNet,
        kappas: Tensor,
        config: GroupingConfig,
        levels: int = 1,
        calibration: Calibration = Calibration(),
        focus: bool = True,
    ) -> None:
        super().__init__()
        self.network, self.config, self.levels, self.calibration = network, config, levels, calibration
        self.focus = focus and network.config.focus > 0
        self.register_buffer("kappas", kappas, persistent=False)

    @property
    def focuses(self) -> bool:
        """Whether the finest level has a focus; input is then processed one image at a time."""
        return self.focus and self.levels > 1

    def forward(self, images: Tensor, presence_threshold: Tensor) -> PoseOutputs:
        return self.explain(images, presence_threshold)[0]

    def explain(self, images: Tensor, presence_threshold: Tensor) -> tuple[PoseOutputs, VoteOutputs]:
        """The people, and the votes behind them."""
        if self.focuses and len(images) > 1:
            return joined_outputs([self.explain(image[None], presence_threshold) for image in images])
        levels, groups = self.vote(images, presence_threshold)
        found = self._people([x.maps for x in levels], groups)
        people = PoseOutputs(
            found.image_index,
            found.poses * self.network.config.stride,
            self.calibration.of_joints(found.confidences),
            self.calibration.is_seen(found.visibility),
            self.calibration.of_people(found.scores),
            self._presence(levels, images),
        )
        return people, self._vote_outputs(levels, groups, found.leader, presence_threshold)

    def vote(self, images: Tensor, presence_threshold: Tensor) -> tuple[list[Level], Groups]:
        """Images (B, H, W, 3) -> the maps and votes of each level, and the groups of all votes."""
        pixels = images.permute(0, 3, 1, 2).float()
        levels = [self._level(halved(pixels, i), i, presence_threshold) for i in range(self.focuses, self.levels)]
        if self.focuses:
            levels = [self._focused(pixels, levels[0], presence_threshold), *levels]
        strength, centres, poses, log_scales = joined_votes(levels)
        config = replace(self.config, presence_threshold=presence_threshold)
        with torch.autocast(images.device.type, enabled=False):  # a bf16 product would round coordinates
            return levels, group(poses, log_scales, centres, strength, self.kappas, config)

    def _vote_outputs(self, levels: Sequence[Level], groups: Groups, leader: Tensor, threshold: Tensor) -> VoteOutputs:
        strength, centres, poses, log_scales = joined_votes(levels)
        image, row = ((strength >= threshold) & (strength > 0)).nonzero(as_tuple=True)
        order = torch.ones_like(leader).cumsum(0) - 1  # arange(P), which the tracer would turn into a constant
        person = torch.full_like(groups.follow, -1).flatten().scatter(0, leader, order)
        stride = self.network.config.stride
        return VoteOutputs(
            image,
            centres[image, row] * stride,
            poses[image, row] * stride,
            log_scales[image, row].exp() * stride,
            strength[image, row],
            person[_flat(groups, image, groups.follow[image, row])],
        )

    def _level(self, pixels: Tensor, level: int, threshold: Tensor) -> Level:
        """Maps and votes for the pixels of a level."""
        maps = self.network.encode(pixels)
        presence = maps.presence[-1].sigmoid()
        strength, cells = self._candidates(presence, threshold, self.config.candidates >> level)
        votes = self.network.predict_votes(maps, cells)
        width = presence.shape[-1]
        centres = torch.stack([cells % width, torch.div(cells, width, rounding_mode="floor")], dim=-1) + 0.5
        return Level(
            maps,
            strength,
            centres * 2**level,
            Votes(votes.poses.float() * 2**level, votes.log_scales.float() + level * math.log(2)),
        )

    def _focused(self, pixels: Tensor, coarser: Level, threshold: Tensor) -> Level:
        """The finest level of an image (1, 3, H, W), where the next coarser one shows small people."""
        assert self.network.focus is not None
        stride = self.network.config.stride
        focus = Focus.around(self.network.focus(coarser.maps.features), pixels)
        level, extent = self._level(focus.of(pixels), 0, threshold), focus.extent(pixels, stride)
        poses = level.votes.poses + extent.origin
        # There is a margin around small people, so a pose at the edge is most likely that of a large person, cut off.
        # The coarser levels see all of them.
        whole = extent.contains(poses.amin(dim=2), poses.amax(dim=2), _EDGE / stride)
        return Level(
            replace(level.maps, extent=extent),
            level.strength * whole,
            level.centres + extent.origin,
            Votes(poses, level.votes.log_scales),
        )

    def _presence(self, levels: Sequence[Level], images: Tensor) -> Tensor:
        """(B, h, w) presence on the finest level's cells, outside the focus as the next level finds it."""
        fine, extent = levels[0].maps.presence[-1].sigmoid(), levels[0].maps.extent
        if extent is None:
            return fine
        rows, columns = (side // self.network.config.stride for side in images.shape[1:3])
        return pasted(fine, levels[1].maps.presence[-1].sigmoid(), extent.origin, rows, columns)

    def _candidates(self, presence: Tensor, threshold: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """(B, Q) presence and flat index of the candidates: the cells, or peaks, with the highest presence.

        If a crowd has more peaks than candidates, the highest peaks of each block of the map come first, so that few
        people are left without a vote.
        """
        first = torch.zeros_like(presence)
        if self.config.peaks:
            side = MULTIPLE // self.network.config.stride  # blocks divide the input evenly
            presence = presence * (presence == F.max_pool2d(presence[:, None], 3, 1, 1)[:, 0])
            blocks = F.interpolate(F.max_pool2d(presence[:, None], side), scale_factor=side, mode="nearest")[:, 0]
            first = ((presence == blocks) & (presence >= threshold)).to(presence.dtype)
        # Padded, so that the smallest map has enough cells to choose from; padding has no presence and does not vote.
        presence, first = F.pad(presence.flatten(1), (0, count)), F.pad(first.flatten(1), (0, count))
        cells = (presence + first).topk(count).indices
        strength = presence.gather(1, cells)
        return strength, cells * (strength > 0)

    def _people(self, maps: Sequence[FeatureMaps], groups: Groups) -> FoundPeople:
        """The people to report."""
        voted = self.pooled(maps, groups)
        found = self._refined(maps, voted) if self.network.refiner is not None else self._as_voted(voted)
        return _rows(self._distinct(found.poses, found.scores, found.image_index), found)

    def _as_voted(self, voted: VotedPeople) -> FoundPeople:
        confidences = joint_confidences(voted.log_scales, body_sizes(voted.poses), self.kappas)
        visibility = _SURE * (2 * voted.voted.float() - 1)
        return FoundPeople(voted.leader, voted.image_index, voted.poses, confidences, visibility, voted.scores)

    def _refined(self, maps: Sequence[FeatureMaps], voted: VotedPeople) -> FoundPeople:
        """The refined people, without those that are background or duplicates after the first refinement; people with a
        score between `GroupingConfig.refine_twice` and `good_enough` are refined again."""
        once = self._refined_once(maps, voted)
        keep = self._distinct(once.poses, once.scores, once.image_index)
        if self.config.refine_twice >= 1:
            return _rows(keep, once)
        again = (once.scores >= self.config.refine_twice) & (once.scores < self.config.good_enough)
        # The poses are better now, so the second refinement uses a tighter region.
        twice = self._refined_once(maps, _rows(keep & again, voted._replace(poses=once.poses)), CLOSE_MARGIN)
        rest = _rows(keep & ~again, once)
        return FoundPeople(*(torch.cat(pair) for pair in zip(twice, rest, strict=True)))

    def _refined_once(
        self, maps: Sequence[FeatureMaps], people: VotedPeople, margin: float = WIDE_MARGIN
    ) -> FoundPeople:
        refined = self.network.refine(maps, people.poses, people.image_index, self.kappas, margin)
        # A joint is seen if the refiner finds it visible; a vote cast on it is further evidence.
        visibility = refined.seen - _NO_VOTE * (~people.voted).float()
        scores = _scores(people.scores, refined)
        confidences = refined.confidences.sigmoid()
        return FoundPeople(people.leader, people.image_index, refined.poses, confidences, visibility, scores)

    def _distinct(self, poses: Tensor, scores: Tensor, image: Tensor) -> Tensor:
        """(P,) bool: whether a person is neither a duplicate nor below the minimum score."""
        return oks_nms(poses, scores, image, self.kappas, _DUPLICATE) & (scores > _MIN_SCORE)

    def pooled(self, maps: Sequence[FeatureMaps], groups: Groups) -> VotedPeople:
        """People pooled from their votes and corrected by the keypoint maps, if any, without duplicates."""
        image, row = groups.leader.nonzero(as_tuple=True)
        columns = (groups.poses, groups.log_scales, groups.seen, groups.scores)
        people = VotedPeople(_flat(groups, image, row), image, *(x[image, row] for x in columns))
        people = _rows(oks_nms(people.poses, people.scores, image, self.kappas, _DUPLICATE), people)
        return people._replace(poses=snapped(maps, people.poses, people.log_scales, people.image_index))


def _scores(votes: Tensor, refined: RefinedPoses) -> Tensor:
    """(P,) uncalibrated scores: the votes' scores (P,) and the pose's quality combined rank people better than either
    alone."""
    return votes**_VOTE_SHARE * refined.quality.sigmoid() ** (1 - _VOTE_SHARE)


def joined_votes(levels: Sequence[Level]) -> tuple[Tensor, ...]:
    """Presence (B, Q), centres, poses and log scales of all levels' votes."""
    columns = ((x.strength, x.centres, x.votes.poses, x.votes.log_scales) for x in levels)
    return tuple(torch.cat(column, dim=1) for column in zip(*columns, strict=True))


def snapped(pyramid: Sequence[FeatureMaps], poses: Tensor, log_scales: Tensor, image_index: Tensor) -> Tensor:
    """Poses (P, K, 2) with joints moved towards the peaks of the keypoint maps, if any.

    Args:
        pyramid: the maps of each level.
        poses, log_scales, image_index: as in `snap_to_keypoints`.
    """
    keypoint_maps = [maps.keypoint_maps for maps in pyramid if maps.keypoint_maps is not None]
    if not keypoint_maps:
        return poses
    return snap_to_keypoints(keypoint_maps, poses, log_scales, image_index, pyramid[0].extent)


def halved(pixels: Tensor, times: int) -> Tensor:
    """A level of the image pyramid: pixels (B, 3, H, W) halved `times` times and padded with grey to multiples of
    32."""
    if not times:
        return pixels
    pixels = F.avg_pool2d(pixels, 2**times)
    height, width = pixels.shape[-2:]
    return F.pad(pixels, (0, -width % MULTIPLE, 0, -height % MULTIPLE), value=FILL)


def _flat(groups: Groups, image: Tensor, row: Tensor) -> Tensor:
    """Index of an image's vote among the votes of the whole batch."""
    return image * groups.follow.shape[-1] + row


def _rows(keep: Tensor, people: People) -> People:
    """The people that `keep` (P,) selects."""
    return type(people)(*(column[keep] for column in people))
