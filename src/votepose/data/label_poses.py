"""Converts labels to `Poses`, so that they can be drawn like predictions."""

from __future__ import annotations

import numpy as np

from votepose.data.sample import Sample
from votepose.poses import Poses
from votepose.skeleton import Skeleton


def label_poses(sample: Sample, skeleton: Skeleton) -> Poses:
    """The people in a sample; hidden joints count as inferred, unlabelled joints have confidence 0 and are not
    drawn."""
    known = sample.keypoints[..., 2] > 0
    weights = known[..., None] / known.sum(axis=1)[:, None, None]
    middles = (sample.keypoints[..., :2] * weights).sum(axis=1, keepdims=True)
    points = np.where(known[..., None], sample.keypoints[..., :2], middles)
    size = sample.image.shape[1], sample.image.shape[0]
    return Poses(points, known, sample.keypoints[..., 2] > 1, np.ones(len(points)), skeleton, size, sample.name)
