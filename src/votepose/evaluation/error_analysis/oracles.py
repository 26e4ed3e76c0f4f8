"""Makes parts of the estimator perfect, one at a time: the gain in AP is the cost of each part's errors.

`OracleEstimator` is the estimator with the truth instead of the output of some parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import cast

import torch
from torch import Tensor

from votepose.data.sample import Sample
from votepose.evaluation.error_analysis.encode_once import EncodeOnce
from votepose.evaluation.error_analysis.truth import Truth
from votepose.evaluation.network import estimate
from votepose.grouping import Groups, group
from votepose.models.estimator import FoundPeople, Level, PoseEstimator, joined_votes
from votepose.models.features import FeatureMaps
from votepose.models.outputs import Votes
from votepose.models.posenet import PoseNet
from votepose.poses import Poses
from votepose.skeleton import Skeleton

PARTS = ("presence", "votes", "grouping", "pooling", "score")
_CERTAIN = -4.0  # log scale of a perfect vote, in cells
_GOOD_OKS = 0.5  # minimum OKS of a vote with its person in a perfect group
_ANY_DISTANCE = 1e4  # in cells; all votes are closer, so they agree


class OracleEstimator(PoseEstimator):
    """An estimator whose `perfect` parts use the truth of one image; batches hold only that image, and all levels see
    the whole of it.

    - presence: the candidates are the cells of labelled joints.
    - votes: cells near a labelled joint vote for that person's labelled joints, with certainty; other votes are
      unchanged.
    - grouping: each vote is assigned to the most similar person or, if none is similar, to the one nearest to its cell.
      Votes with an OKS under 0.5 are left out if their person has better ones. The other votes are grouped as usual.
    - pooling: each joint is the one nearest to the truth among the group's votes, the pooled one and the refined one.
    - score: the OKS with the matched person; 0 for background and for second skeletons.
    """

    def __init__(self, estimator: PoseEstimator, network: EncodeOnce, truth: Truth, perfect: Sequence[str]) -> None:
        super().__init__(
            cast(PoseNet, network),
            estimator.kappas,
            estimator.config,
            estimator.levels,
            estimator.calibration,
            focus=False,
        )
        self.truth, self.perfect = truth, frozenset(perfect)
        self._found: list[Level] = []  # the levels of this forward pass so far
        self._threshold = torch.tensor(0.0)

    def _level(self, pixels: Tensor, level: int, threshold: Tensor) -> Level:
        assert len(pixels) == 1
        self._found, self._threshold = self._found[:level], threshold
        found = super()._level(pixels, level, threshold)
        if "votes" in self.perfect:
            found = replace(found, votes=self._true_votes(found, level))
        self._found.append(found)
        return found

    def _candidates(self, presence: Tensor, threshold: Tensor, count: int) -> tuple[Tensor, Tensor]:
        if "presence" in self.perfect:
            presence = self.truth.presence(presence.shape[1], presence.shape[2], len(self._found))[None].to(presence)
        return super()._candidates(presence, threshold, count)

    def _people(self, maps: Sequence[FeatureMaps], groups: Groups) -> FoundPeople:
        if "grouping" in self.perfect:
            groups = self._true_groups()
        found = super()._people(maps, groups)
        if "pooling" in self.perfect:
            found = found._replace(poses=self._nearest(groups, found.leader, found.poses))
        if "score" in self.perfect:
            found = found._replace(scores=self.truth.scores(found.poses))
        return found

    def _true_votes(self, found: Level, level: int) -> Votes:
        person = self.truth.nearest_person(found.centres[0], torch.full_like(found.strength[0], level))[None]
        if not len(self.truth.sizes):
            return found.votes
        known = (person >= 0)[..., None] & self.truth.labelled[person]
        poses = torch.where(known[..., None], self.truth.joints[person], found.votes.poses)
        return Votes(poses, torch.where(known, _CERTAIN, found.votes.log_scales))

    def _true_groups(self) -> Groups:
        """One group per labelled person, and the usual groups of votes that belong to no person."""
        strength, centres, poses, log_scales = joined_votes(self._found)
        config = replace(self.config, presence_threshold=self._threshold)
        person, outlier = self._person_of_votes(poses[0], centres[0], strength[0] >= self._threshold)
        usual = group(poses, log_scales, centres, strength * (person < 0), self.kappas, config)
        people = len(self.truth.sizes)
        if not people:
            return usual
        members = (person == torch.arange(people, device=person.device)[:, None]) & ~outlier  # (N, Q)
        all_agree = replace(config, rule="euclidean", threshold=_ANY_DISTANCE)
        votes, scales, cells = (x.expand(people, *x.shape[1:]) for x in (poses, log_scales, centres))
        true = group(votes, scales, cells, strength * members, self.kappas, all_agree)
        row = torch.arange(len(person), device=person.device)

        def choose(name: str) -> Tensor:
            of_person, of_none = getattr(true, name)[person, row], getattr(usual, name)[0]
            return torch.where((person >= 0).view(-1, *[1] * (of_none.dim() - 1)), of_person, of_none)[None]

        return Groups(*(choose(field.name) for field in fields(Groups)))

    def _person_of_votes(self, poses: Tensor, centres: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """(Q,) the person of each vote, -1 for none; (Q,) bool: whether it is poor and the person has better votes."""
        levels = torch.cat([torch.full_like(x.strength[0], i) for i, x in enumerate(self._found)])
        similar = self.truth.most_similar(poses)
        person = torch.where(similar >= 0, similar, self.truth.nearest_person(centres, levels))
        if not len(self.truth.sizes):
            return person, person >= 0
        oks = self.truth.oks(poses).gather(1, person.clamp(min=0)[:, None])[:, 0]
        good = valid & (person >= 0) & (oks >= _GOOD_OKS)
        has_better = torch.isin(person, person[good])
        return person, (person >= 0) & has_better & ~good

    def _nearest(self, groups: Groups, leader: Tensor, poses: Tensor) -> Tensor:
        """(P, K, 2) the nearest candidate to the truth for each joint: refined, pooled, or one of the votes."""
        target = self.truth.most_similar(poses)
        if not len(self.truth.sizes) or not len(poses):
            return poses
        strength, _, votes, _ = joined_votes(self._found)
        members = (groups.follow[0] == leader[:, None]) & (strength[0] >= self._threshold)
        pooled = groups.poses[0, leader]
        candidates = torch.cat([poses[:, None], pooled[:, None], votes.expand(len(poses), -1, -1, -1)], dim=1)
        distances = (candidates - self.truth.joints[target][:, None]).norm(dim=-1)
        allowed = torch.cat([torch.ones_like(members[:, :2]), members], dim=1)
        best = torch.where(allowed[..., None], distances, torch.inf).argmin(dim=1)
        nearest = candidates.gather(1, best[:, None, :, None].expand(-1, 1, -1, 2))[:, 0]
        known = (target >= 0)[:, None] & self.truth.labelled[target]
        return torch.where(known[..., None], nearest, poses)


def find_variants(
    estimator: PoseEstimator, sample: Sample, input_size: int, skeleton: Skeleton, variants: Sequence[Sequence[str]]
) -> list[Poses]:
    """The people found in an image with each of these sets of perfect parts; the empty set is the unchanged
    estimator."""
    truth = Truth.of(sample, input_size, estimator.network.config.stride, estimator.kappas)
    network = EncodeOnce(estimator.network)
    threshold = float(estimator.config.presence_threshold)
    return [
        estimate(
            OracleEstimator(estimator, network, truth, perfect).eval(), sample.image, input_size, threshold, skeleton
        )
        for perfect in variants
    ]
