"""Labels as `Poses`, so that they are drawn like what a model finds."""

from __future__ import annotations

import numpy as np

from votepose.data.sample import Sample
from votepose.poses import Poses
from votepose.skeleton import Skeleton


def label_poses(sample: Sample, skeleton: Skeleton) -> Poses:
    """The people of a sample, hidden joints as inferred ones; unlabelled ones have no confidence and are not drawn."""
    known = sample.keypoints[..., 2] > 0
    weights = known[..., None] / known.sum(axis=1)[:, None, None]
    middles = (sample.keypoints[..., :2] * weights).sum(axis=1, keepdims=True)
    points = np.where(known[..., None], sample.keypoints[..., :2], middles)
    size = sample.image.shape[1], sample.image.shape[0]
    return Poses(points, known, sample.keypoints[..., 2] > 1, np.ones(len(points)), skeleton, size, sample.name)
