"""What the grouping of one image rests on: presence, votes, who follows whom, and how far votes are from each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from votepose.grouping import GroupingConfig
from votepose.poses import Poses


@dataclass(frozen=True)
class Group:
    """Votes that follow the same vote.

    Attributes:
        leader: index of the vote that all follow in the end.
        members: indices of the votes, the leader's among them, strongest first.
        person: row of `Evidence.poses`, or -1 if no person came of it.
        fate: in words, what became of it.
    """

    leader: int
    members: tuple[int, ...]
    person: int
    fate: str


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that is known of V votes in one image, strongest first. Lengths are image pixels unless stated.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        name: of the image, for titles.
        poses: the P people that the model found, best first, those under the score threshold included.
        score_threshold: people below it are left out by `predict`.
        presence: (h, w) float32, likelihood that a keypoint lies on a cell.
        cell: (width, height) of a cell.
        cells: (V, 2) centres of the cells that voted.
        votes: (V, K, 2) the whole pose that each voted for.
        scales: (V, K) Laplace scale of each joint of each vote: how far off it expects to be.
        likelihoods: (V,) presence at the cell, in [0, 1].
        strengths: (V,) what makes others follow: presence times the certainty of the whole vote.
        person: (V,) row of `poses`, or -1.
        follows: (V,) the strongest vote that each agrees with; itself where there is no stronger.
        leads: (V,) where following ends: votes with the same leader are a group.
        distances: (V, V) in the unit of `config.threshold`; two votes agree below it.
        groups: the largest first.
        config: the rule and the threshold in force.
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
    groups: tuple[Group, ...]
    config: GroupingConfig

    @property
    def shown(self) -> np.ndarray:
        """(P,) bool: people whose score reaches the threshold."""
        return self.poses.scores >= self.score_threshold

    @property
    def unit(self) -> str:
        """What distances are measured in."""
        return "cells" if self.config.rule == "euclidean" else "body sizes"

    def summary(self) -> str:
        """One line: how many people of how many votes."""
        people, votes = int(self.shown.sum()), len(self.votes)
        counted = [f"{people} {'person' if people == 1 else 'people'}", f"{votes} vote{'s' * (votes != 1)}"]
        return f"{self.name}: {counted[0]} from {counted[1]} in {len(self.groups)} group{'s' * (len(self.groups) != 1)}"
