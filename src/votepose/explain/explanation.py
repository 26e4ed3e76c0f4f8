"""Data on how one image's votes were grouped: presence, votes, the vote that each follows, and distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from votepose.grouping import GroupingConfig
from votepose.poses import Poses
from votepose.utils.wording import counted


@dataclass(frozen=True)
class VoteGroup:
    """Votes that follow the same vote, directly or through others.

    Attributes:
        leader: index of the vote that all of them follow.
        members: indices of the votes, including the leader, strongest first.
        person: row of `Explanation.poses`, or -1 if the group yielded no person.
        outcome: text: the person and the score, or why the group was left out.
    """

    leader: int
    members: tuple[int, ...]
    person: int
    outcome: str


@dataclass(frozen=True, eq=False)
class Explanation:
    """The V votes of one image, strongest first. Lengths are in image pixels unless stated.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        name: name of the image, for titles.
        poses: the P people that the model found, best first, including those below the score threshold.
        score_threshold: `predict` leaves out people with a lower score.
        presence: (h, w) float32, probability that a keypoint lies in a cell.
        cell: (width, height) of a cell.
        cells: (V, 2) centres of the cells that voted.
        votes: (V, K, 2) the pose that each vote predicts.
        scales: (V, K) Laplace scale of each joint of each vote: its expected error.
        likelihoods: (V,) presence at the cell, in [0, 1].
        strengths: (V,) presence times the confidence of the whole vote; votes follow stronger votes.
        person: (V,) row of `poses`, or -1.
        follows: (V,) the strongest vote that each agrees with; its own index if none is stronger.
        leads: (V,) the end of each chain; votes with the same leader form a group.
        distances: (V, V) in the unit of `config.threshold`; two votes agree if they are closer than that.
        groups: the groups, largest first.
        config: the grouping's rule and threshold.
        focus: whether the finest pyramid level sees only the part of the image with small people.
    """

    image: np.ndarray
    name: str
    poses: Poses
    score_threshold: float
    presence: np.ndarray
    cell: tuple[float, float]
    cells: np.ndarray
    votes: np.ndarray
    scales: np.ndarray
    likelihoods: np.ndarray
    strengths: np.ndarray
    person: np.ndarray
    follows: np.ndarray
    leads: np.ndarray
    distances: np.ndarray
    groups: tuple[VoteGroup, ...]
    config: GroupingConfig
    focus: bool

    @property
    def shown(self) -> np.ndarray:
        """(P,) bool: whether a person's score reaches the threshold."""
        return self.poses.scores >= self.score_threshold

    @property
    def unit(self) -> str:
        """The unit of distances."""
        return "cells" if self.config.rule == "euclidean" else "body sizes"

    def summary(self) -> str:
        """One line with the numbers of people, votes and groups."""
        people, votes = counted(int(self.shown.sum()), "person", "people"), counted(len(self.votes), "vote")
        return f"{self.name}: {people} from {votes} in {counted(len(self.groups), 'group')}"
