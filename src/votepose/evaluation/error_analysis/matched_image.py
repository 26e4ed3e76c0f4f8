"""Matches of found and labelled people, and errors of whole people (Ronchi and Perona, ICCV 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from votepose.data.sample import Sample
from votepose.evaluation.matching import coco_match, labelled_similarities, most_similar, sample_oks_matrix
from votepose.poses import Poses

MIN_OKS = 0.1  # minimum OKS for a pose to be matched with a labelled person
MAX_DETECTIONS = 20  # maximum number of people per image that count in COCO's AP, by score


@dataclass(frozen=True)
class MatchedImage:
    """An image with N labelled people and the P people found in it, at most `MAX_DETECTIONS`, best first.

    Create it with `of`, which sorts the people and drops the rest.
    """

    sample: Sample
    poses: Poses

    @classmethod
    def of(cls, sample: Sample, poses: Poses) -> MatchedImage:
        """Create it from all people found in the image."""
        return cls(sample, poses[np.argsort(-poses.scores, kind="stable")[:MAX_DETECTIONS]])

    @cached_property
    def similarities(self) -> np.ndarray:
        """(P, N, K) similarity of each joint to each person's labelled joint; 0 if not labelled."""
        return labelled_similarities(self.poses.keypoints[:, None], self.sample, self.poses.skeleton.kappas)

    @cached_property
    def oks(self) -> np.ndarray:
        """(P, N) OKS of found and labelled people, over labelled joints."""
        return sample_oks_matrix(self.poses.keypoints, self.sample, self.poses.skeleton.kappas)

    @cached_property
    def match(self) -> np.ndarray:
        """(P,) the labelled person matched with each, as in COCO; -1 for none."""
        return coco_match(self.oks, MIN_OKS)

    @cached_property
    def most_similar(self) -> np.ndarray:
        """(P,) the most similar labelled person, matched or not; -1 if all are dissimilar."""
        nearest: np.ndarray = most_similar(self.oks, MIN_OKS)
        return nearest

    @cached_property
    def split(self) -> np.ndarray:
        """(P,) bool: whether it is a second skeleton of a labelled person: similar, but not matched."""
        return (self.match < 0) & (self.most_similar >= 0)

    @cached_property
    def background(self) -> np.ndarray:
        """(P,) bool: whether it is similar to no labelled person, where all people are labelled."""
        return (self.most_similar < 0) & ~self.sample.may_be_unlabelled(self.poses.keypoints.mean(axis=1))

    @cached_property
    def found(self) -> np.ndarray:
        """(N,) bool: whether the person is matched with a skeleton."""
        return np.isin(np.arange(len(self.sample.keypoints)), self.match)

    @cached_property
    def merged(self) -> np.ndarray:
        """(N,) bool: whether the person is not found, but similar to another person's skeleton."""
        return ~self.found & (self.oks >= MIN_OKS).any(axis=0)

    @cached_property
    def missed(self) -> np.ndarray:
        """(N,) bool: whether the person is not found and similar to no skeleton."""
        return ~self.found & ~self.merged


@dataclass(frozen=True)
class PeopleErrors:
    """Counts of found people, background skeletons, second skeletons, and people without a skeleton."""

    found: int
    background: int
    split: int
    merged: int
    missed: int


def count_people(pictures: Sequence[MatchedImage], min_score: float = 0.0) -> PeopleErrors:
    """The counts over all images, for skeletons with at least this score."""
    shown = [MatchedImage(picture.sample, picture.poses.above(min_score)) for picture in pictures]
    names = ("found", "background", "split", "merged", "missed")
    return PeopleErrors(*(sum(int(getattr(picture, name).sum()) for picture in shown) for name in names))
