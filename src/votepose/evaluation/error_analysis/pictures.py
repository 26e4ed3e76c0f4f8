"""Who of the found is whom of the labelled, and what went wrong with whole people (Ronchi and Perona, ICCV 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from votepose.data.coco import Sample
from votepose.oks import oks
from votepose.poses import Poses

LIKE = 0.1  # OKS from which a pose is a labelled person's, however badly drawn
COUNTED = 20  # people of a picture that count in COCO's AP, the best by score


@dataclass(frozen=True)
class Picture:
    """A picture, and the P people found in it, at most `COUNTED`, best first; there are N labelled people.

    Build it with `of`, which cuts and sorts.
    """

    sample: Sample
    poses: Poses

    @classmethod
    def of(cls, sample: Sample, poses: Poses) -> Picture:
        """Of all that was found in it."""
        return cls(sample, poses[np.argsort(-poses.scores, kind="stable")[:COUNTED]])

    @cached_property
    def similarity(self) -> np.ndarray:
        """(P, N, K) share of OKS that a joint found keeps beside a person's true one; 0 where that is not labelled."""
        return similarity(self.poses.keypoints[:, None], self.sample, self.poses.skeleton.kappas)

    @cached_property
    def likeness(self) -> np.ndarray:
        """(P, N) OKS of the found with the labelled, over labelled joints."""
        return likenesses(self.poses.keypoints, self.sample, self.poses.skeleton.kappas)

    @cached_property
    def owner(self) -> np.ndarray:
        """(P,) whom each is; -1 for nobody. As COCO matches: the best by score first choose whom they are most like."""
        owner, free = np.full(len(self.poses), -1), np.ones(len(self.sample.keypoints), bool)
        for row, likeness in enumerate(self.likeness):
            values = np.where(free, likeness, 0)
            if free.any() and values.max() >= LIKE:
                owner[row] = values.argmax()
                free[owner[row]] = False
        return owner

    @cached_property
    def most_like(self) -> np.ndarray:
        """(P,) whom each is most like, taken or not; -1 where that is nobody."""
        if not len(self.sample.keypoints):
            return np.full(len(self.poses), -1)
        return np.where(self.likeness.max(axis=1) >= LIKE, self.likeness.argmax(axis=1), -1)

    @cached_property
    def split(self) -> np.ndarray:
        """(P,) bool: left over, though like somebody: a person's second skeleton."""
        return (self.owner < 0) & (self.most_like >= 0)

    @cached_property
    def background(self) -> np.ndarray:
        """(P,) bool: like nobody labelled, where everybody is labelled."""
        return (self.most_like < 0) & ~self.sample.untold(self.poses.keypoints.mean(axis=1))

    @cached_property
    def found(self) -> np.ndarray:
        """(N,) bool: somebody found is this person."""
        return np.isin(np.arange(len(self.sample.keypoints)), self.owner)

    @cached_property
    def merged(self) -> np.ndarray:
        """(N,) bool: not found, but a skeleton that went to somebody else is like this person, too."""
        return ~self.found & (self.likeness >= LIKE).any(axis=0)

    @cached_property
    def missed(self) -> np.ndarray:
        """(N,) bool: not found, and nothing found is like this person."""
        return ~self.found & ~self.merged


def similarity(points: np.ndarray, sample: Sample, kappas: np.ndarray) -> np.ndarray:
    """(..., N, K): exp(-d^2 / (2 kappa^2 area)) of points (..., N or 1, K, 2) and the labelled joints; else 0."""
    squared = ((points - sample.keypoints[..., :2]) ** 2).sum(-1)
    value = np.exp(-squared / (2 * kappas**2 * np.maximum(sample.areas, 1)[:, None]))
    return np.where(sample.keypoints[..., 2] > 0, value, 0)


def likenesses(poses: np.ndarray, sample: Sample, kappas: np.ndarray) -> np.ndarray:
    """(P, N) OKS of poses (P, K, 2) with the labelled people, over labelled joints."""
    truth, sizes = sample.keypoints[None], np.sqrt(np.maximum(sample.areas, 1))[None]
    value: np.ndarray = oks(poses[:, None], truth[..., :2], sizes, kappas, (truth[..., 2] > 0).astype(np.float32))
    return value


@dataclass(frozen=True)
class PeopleErrors:
    """How often whole people went wrong: skeletons of nobody, second ones, and people without one of their own."""

    found: int
    background: int
    split: int
    merged: int
    missed: int


def count_people(pictures: Sequence[Picture], least_score: float = 0.0) -> PeopleErrors:
    """Over all pictures, of skeletons with at least this score."""
    shown = [Picture(picture.sample, picture.poses.above(least_score)) for picture in pictures]
    names = ("found", "background", "split", "merged", "missed")
    return PeopleErrors(*(sum(int(getattr(picture, name).sum()) for picture in shown) for name in names))
