"""Errors of the joints of people who were found: jitter, inversion, swap, miss (Ronchi and Perona, ICCV 2017)."""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum

import numpy as np

from votepose.evaluation.error_analysis.matched_image import MatchedImage
from votepose.evaluation.matching import labelled_similarities
from votepose.poses import Poses

GOOD, NEAR = 0.85, 0.5  # minimum similarity of a good joint; minimum for a joint to lie at a labelled joint


class JointErrorType(IntEnum):
    """The error of a joint, by its similarity (its term in OKS) to the labelled joints.

    UNJUDGED: the person is not matched, or the joint is not labelled. GOOD: 0.85 or more. JITTER: 0.5 or more.
        INVERSION: it lies at the same person's joint of the other side. SWAP: it lies at another person's joint, of
        either side. MISS: none of these.
    """

    UNJUDGED = -1
    GOOD = 0
    JITTER = 1
    INVERSION = 2
    SWAP = 3
    MISS = 4


ERRORS = (JointErrorType.JITTER, JointErrorType.INVERSION, JointErrorType.SWAP, JointErrorType.MISS)


def own_similarities(picture: MatchedImage) -> np.ndarray:
    """(P, K) similarity of each joint to the matched person's; 0 where that is unknown."""
    if not len(picture.sample.keypoints):
        return np.zeros(picture.poses.keypoints.shape[:2])
    own = picture.similarities[np.arange(len(picture.match)), picture.match]
    return np.where(picture.match[:, None] >= 0, own, 0)


def joint_error_types(picture: MatchedImage) -> np.ndarray:
    """(P, K) int of `JointErrorType`. If both an inversion and a swap apply, the nearer joint decides."""
    shape, match = picture.poses.keypoints.shape[:2], picture.match
    if not len(picture.sample.keypoints):
        return np.full(shape, JointErrorType.UNJUDGED)
    skeleton, rows = picture.poses.skeleton, np.arange(len(match))
    # both sides of a pair have the same tolerance, so a left wrist can be compared with a right one
    other_side = picture.poses.keypoints[:, None, skeleton.flip]
    mirrored = labelled_similarities(other_side, picture.sample, skeleton.kappas)[..., skeleton.flip]
    mirrored = np.where(skeleton.flip == np.arange(len(skeleton)), 0, mirrored)
    own, inverted = own_similarities(picture), mirrored[rows, match]
    others = np.maximum(picture.similarities, mirrored)
    others[rows, match] = 0
    swapped = others.max(axis=1)
    types = np.full(shape, JointErrorType.MISS)
    types[(swapped >= NEAR) & (swapped > inverted)] = JointErrorType.SWAP
    types[(inverted >= NEAR) & (inverted >= swapped)] = JointErrorType.INVERSION
    types[own >= NEAR] = JointErrorType.JITTER
    types[own >= GOOD] = JointErrorType.GOOD
    judged = (match >= 0)[:, None] & (picture.sample.keypoints[match, :, 2] > 0)
    return np.where(judged, types, JointErrorType.UNJUDGED)


def corrected(picture: MatchedImage, types: np.ndarray, *which: JointErrorType) -> Poses:
    """The people found, with joints of these error types moved to their labelled positions."""
    if not len(picture.sample.keypoints):
        return picture.poses
    wrong = np.isin(types, which)[..., None]
    truth = picture.sample.keypoints[picture.match, :, :2]
    return replace(picture.poses, keypoints=np.where(wrong, truth, picture.poses.keypoints))
