"""The estimator with parts of it made perfect, one at a time: what each part costs is what its perfection wins.

`Perfected` is the estimator itself, with the truth put in where a part hands over to the next. The network's backbone
runs once a picture: `Remembered` keeps its maps for the next variant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import cast

import torch
from torch import Tensor, nn

from votepose.data.coco import Sample
from votepose.evaluation.error_analysis.truth import Truth
from votepose.evaluation.runner import estimate
from votepose.grouping import Groups, group
from votepose.models.estimator import PoseEstimator, _Level, joined_votes
from votepose.models.heads.refiner import Look
from votepose.models.heads.roi_align import MARGIN
from votepose.models.posenet import Maps, PoseNet, Votes
from votepose.poses import Poses
from votepose.skeleton import Skeleton

PARTS = ("presence", "votes", "grouping", "pooling", "score")
_SURE = -4.0  # log scale in cells: the surest that a vote can be
_ALIKE = 0.5  # OKS with whom it belongs to below which a vote only spoils its group
_EVERYBODY = 1e4  # cells: votes nearer than this agree, whatever they say


class Remembered(nn.Module):
    """A network that encodes the same pixels once: one picture's maps are kept, at each level."""

    def __init__(self, network: PoseNet) -> None:
        super().__init__()
        self.network, self.config, self.second_look = network, network.config, network.second_look
        self.known: list[tuple[Tensor, Maps]] = []

    def encode(self, pixels: Tensor) -> Maps:
        for seen, maps in self.known:
            if seen.shape == pixels.shape and torch.equal(seen, pixels):
                return maps
        self.known.append((pixels, self.network.encode(pixels)))
        return self.known[-1][1]

    def ask(self, maps: Maps, cells: Tensor) -> Votes:
        return self.network.ask(maps, cells)

    def look_again(
        self, pyramid: Sequence[Maps], poses: Tensor, image_index: Tensor, kappas: Tensor, margin: float = MARGIN
    ) -> Look:
        return self.network.look_again(pyramid, poses, image_index, kappas, margin)


class Perfected(PoseEstimator):
    """An estimator of one picture whose `perfect` parts know the truth; it takes batches of that picture alone.

    - presence: the cells asked are those on labelled joints.
    - votes: cells near a labelled joint answer its person's labelled joints, for sure; the others are as they were.
    - grouping: each vote goes to the person that it is most like or, if like nobody, was cast on, and bad ones (an OKS
      under 0.5) are left out where that person has better; votes that are nobody's are grouped as ever.
    - pooling: each joint is the truth-nearest of the group's votes, the pooled one, and the second look's.
    - score: the OKS with whom one is, 0 for nobody and for second skeletons.
    """

    def __init__(self, estimator: PoseEstimator, network: Remembered, truth: Truth, perfect: Sequence[str]) -> None:
        super().__init__(
            cast(PoseNet, network), estimator.kappas, estimator.config, estimator.levels, estimator.calibration
        )
        self.truth, self.perfect = truth, frozenset(perfect)
        self._of: list[_Level] = []  # of this forward pass
        self._threshold = torch.tensor(0.0)

    def _level(self, pixels: Tensor, level: int, threshold: Tensor) -> _Level:
        assert len(pixels) == 1
        self._of, self._threshold = self._of[:level], threshold
        found = super()._level(pixels, level, threshold)
        if "votes" in self.perfect:
            found = replace(found, votes=self._true_votes(found, level))
        self._of.append(found)
        return found

    def _candidates(self, presence: Tensor, threshold: Tensor, count: int) -> tuple[Tensor, Tensor]:
        if "presence" in self.perfect:
            presence = self.truth.presence(presence.shape[1], presence.shape[2], len(self._of))[None].to(presence)
        return super()._candidates(presence, threshold, count)

    def _people(self, maps: Sequence[Maps], groups: Groups) -> tuple[Tensor, ...]:
        if "grouping" in self.perfect:
            groups = self._true_groups()
        leader, image, poses, confidences, visible, scores = super()._people(maps, groups)
        if "pooling" in self.perfect:
            poses = self._nearest(groups, leader, poses)
        if "score" in self.perfect:
            scores = self.truth.scores(poses)
        return leader, image, poses, confidences, visible, scores

    def _true_votes(self, found: _Level, level: int) -> Votes:
        owner = self.truth.nearest_person(found.centres[0], torch.full_like(found.strength[0], level))[None]
        if not len(self.truth.sizes):
            return found.votes
        known = (owner >= 0)[..., None] & self.truth.labelled[owner]
        poses = torch.where(known[..., None], self.truth.joints[owner], found.votes.poses)
        return Votes(poses, torch.where(known, _SURE, found.votes.log_scales))

    def _true_groups(self) -> Groups:
        """A group a person, and those of the votes that are nobody's."""
        strength, centres, poses, log_scales = joined_votes(self._of)
        config = replace(self.config, presence_threshold=self._threshold)
        owner, outlier = self._owners(poses[0], centres[0], strength[0] >= self._threshold)
        nobodys = group(poses, log_scales, centres, strength * (owner < 0), self.kappas, config)
        people = len(self.truth.sizes)
        if not people:
            return nobodys
        mine = (owner == torch.arange(people, device=owner.device)[:, None]) & ~outlier  # (N, Q): whose votes
        alike = replace(config, rule="euclidean", threshold=_EVERYBODY)
        votes, scales, cells = (x.expand(people, *x.shape[1:]) for x in (poses, log_scales, centres))
        theirs = group(votes, scales, cells, strength * mine, self.kappas, alike)
        row = torch.arange(len(owner), device=owner.device)

        def picked(name: str) -> Tensor:
            of_person, of_nobody = getattr(theirs, name)[owner, row], getattr(nobodys, name)[0]
            return torch.where((owner >= 0).view(-1, *[1] * (of_nobody.dim() - 1)), of_person, of_nobody)[None]

        return Groups(*(picked(field.name) for field in fields(Groups)))

    def _owners(self, poses: Tensor, centres: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """(Q,) whose each vote is, -1 for nobody's; and (Q,) bool: it is bad, and its owner has better ones."""
        levels = torch.cat([torch.full_like(x.strength[0], i) for i, x in enumerate(self._of)])
        like = self.truth.most_similar(poses)
        owner = torch.where(like >= 0, like, self.truth.nearest_person(centres, levels))
        if not len(self.truth.sizes):
            return owner, owner >= 0
        likeness = self.truth.oks(poses).gather(1, owner.clamp(min=0)[:, None])[:, 0]
        good = valid & (owner >= 0) & (likeness >= _ALIKE)
        better = torch.isin(owner, owner[good])
        return owner, (owner >= 0) & better & ~good

    def _nearest(self, groups: Groups, leader: Tensor, poses: Tensor) -> Tensor:
        """(P, K, 2): of all that was said of each joint, what is nearest to the truth."""
        target = self.truth.most_similar(poses)
        if not len(self.truth.sizes) or not len(poses):
            return poses
        strength, _, votes, _ = joined_votes(self._of)
        members = (groups.follow[0] == leader[:, None]) & (strength[0] >= self._threshold)
        said = torch.cat([poses[:, None], groups.poses[0, leader][:, None], votes.expand(len(poses), -1, -1, -1)], 1)
        distances = (said - self.truth.joints[target][:, None]).norm(dim=-1)
        allowed = torch.cat([torch.ones_like(members[:, :2]), members], dim=1)
        best = torch.where(allowed[..., None], distances, torch.inf).argmin(dim=1)
        nearest = said.gather(1, best[:, None, :, None].expand(-1, 1, -1, 2))[:, 0]
        known = (target >= 0)[:, None] & self.truth.labelled[target]
        return torch.where(known[..., None], nearest, poses)


def find_variants(
    estimator: PoseEstimator, sample: Sample, input_size: int, skeleton: Skeleton, variants: Sequence[Sequence[str]]
) -> list[Poses]:
    """Who is found in a picture with each of these sets of parts perfect; the empty set is the estimator as it is."""
    truth = Truth.of(sample, input_size, estimator.network.config.stride, estimator.kappas)
    network = Remembered(estimator.network)
    threshold = float(estimator.config.presence_threshold)
    return [
        estimate(Perfected(estimator, network, truth, perfect).eval(), sample.image, input_size, threshold, skeleton)
        for perfect in variants
    ]
