"""What is wrong with joints of people who were found: jitter, inversion, swap, miss (Ronchi and Perona, ICCV 2017)."""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum

import numpy as np

from votepose.evaluation.error_analysis.pictures import Picture, similarity
from votepose.poses import Poses

GOOD, NEAR = 0.85, 0.5  # share of OKS kept: from here on a joint is good; it is at a place


class Kind(IntEnum):
    """What a joint found is, beside the true one.

    UNJUDGED: nobody's, or the true one is not labelled. GOOD: it keeps 0.85 of its OKS or more. JITTER: 0.5 or more.
    INVERSION: it lies on the same person's left joint for the right, or the other way round. SWAP: it lies on somebody
    else's joint, of either side. MISS: it lies on none of these.
    """

    UNJUDGED = -1
    GOOD = 0
    JITTER = 1
    INVERSION = 2
    SWAP = 3
    MISS = 4


ERRORS = (Kind.JITTER, Kind.INVERSION, Kind.SWAP, Kind.MISS)


def own_similarity(picture: Picture) -> np.ndarray:
    """(P, K) share of OKS that each joint keeps beside its owner's; 0 where that is unknown."""
    if not len(picture.sample.keypoints):
        return np.zeros(picture.poses.keypoints.shape[:2])
    own = picture.similarity[np.arange(len(picture.owner)), picture.owner]
    return np.where(picture.owner[:, None] >= 0, own, 0)


def joint_kinds(picture: Picture) -> np.ndarray:
    """(P, K) int of `Kind`. Where a wrong joint is near its person's other side and near somebody else, the nearer
    counts."""
    shape, owner = picture.poses.keypoints.shape[:2], picture.owner
    if not len(picture.sample.keypoints):
        return np.full(shape, Kind.UNJUDGED)
    flip, rows = picture.poses.skeleton.flip, np.arange(len(owner))
    # a mirror image's joint has the same tolerance, so the place of a left wrist is looked at as one of a right
    mirrored = similarity(picture.poses.keypoints[:, None, flip], picture.sample, picture.poses.skeleton.kappas)
    mirrored = np.where(flip == np.arange(len(flip)), 0, mirrored[..., flip])
    own, inverted = own_similarity(picture), mirrored[rows, owner]
    others = np.maximum(picture.similarity, mirrored)
    others[rows, owner] = 0
    swapped = others.max(axis=1)
    kinds = np.full(shape, Kind.MISS)
    kinds[(swapped >= NEAR) & (swapped > inverted)] = Kind.SWAP
    kinds[(inverted >= NEAR) & (inverted >= swapped)] = Kind.INVERSION
    kinds[own >= NEAR] = Kind.JITTER
    kinds[own >= GOOD] = Kind.GOOD
    judged = (owner >= 0)[:, None] & (picture.sample.keypoints[owner, :, 2] > 0)
    return np.where(judged, kinds, Kind.UNJUDGED)


def repaired(picture: Picture, kinds: np.ndarray, *which: Kind) -> Poses:
    """The people found, with joints of these kinds put where they belong."""
    if not len(picture.sample.keypoints):
        return picture.poses
    wrong = np.isin(kinds, which)[..., None]
    truth = picture.sample.keypoints[picture.owner, :, :2]
    return replace(picture.poses, keypoints=np.where(wrong, truth, picture.poses.keypoints))
