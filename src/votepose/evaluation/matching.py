"""Matches detections with labelled people: the OKS of every pair, and three ways to match by it.

A match is (P,) int: the index of the labelled person for each detection, -1 for none. No labelled person is matched
twice.
"""

from __future__ import annotations

import numpy as np

from votepose.data.sample import Sample
from votepose.oks import joint_similarities, oks
from votepose.utils.arrays import Array, namespace
from votepose.utils.assignment import assign


def labelled_sizes(sample: Sample) -> np.ndarray:
    """(N,) square root of each labelled person's area, in pixels, at least 1."""
    return np.sqrt(np.maximum(sample.areas, 1))


def labelled_similarities(points: np.ndarray, sample: Sample, kappas: np.ndarray) -> np.ndarray:
    """(..., N, K) similarity of points (..., N or 1, K, 2) to the labelled joints; 0 where not labelled."""
    joints, labelled = sample.keypoints[..., :2], sample.keypoints[..., 2] > 0
    return np.where(labelled, joint_similarities(points, joints, labelled_sizes(sample), kappas), 0)


def oks_matrix(poses: Array, joints: Array, labelled: Array, sizes: Array, kappas: Array) -> Array:
    """(P, N) OKS of poses (P, K, 2) with people (N, K, 2), over their labelled joints.

    Args:
        poses, joints: in the same unit; NumPy arrays or PyTorch tensors.
        labelled: (N, K) bool.
        sizes: (N,) square root of each person's area, in that unit.
        kappas: (K,) fall-off constants.
    """
    return oks(poses[:, None], joints[None], sizes[None], kappas, labelled[None] * 1.0)


def sample_oks_matrix(poses: np.ndarray, sample: Sample, kappas: np.ndarray) -> np.ndarray:
    """(P, N) OKS of poses (P, K, 2) with the labelled people in an image, over their labelled joints."""
    joints, labelled = sample.keypoints[..., :2], sample.keypoints[..., 2] > 0
    matrix: np.ndarray = oks_matrix(poses, joints, labelled, labelled_sizes(sample), kappas)
    return matrix


def most_similar(matrix: Array, min_oks: float) -> Array:
    """(P,) the most similar labelled person by OKS (P, N), matched or not; -1 if that OKS is below `min_oks`."""
    xp = namespace(matrix)
    if not matrix.shape[1]:
        return xp.full_like(matrix.sum(-1), -1, dtype=xp.int64)
    return xp.where(xp.amax(matrix, -1) >= min_oks, matrix.argmax(-1), -1)


def greedy_match(matrix: np.ndarray) -> np.ndarray:
    """A greedy match (P,), by decreasing OKS (P, N); pairs with OKS 0 are not matched."""
    match, remaining = np.full(len(matrix), -1), matrix.copy()
    for _ in range(min(matrix.shape)):
        row, column = np.unravel_index(remaining.argmax(), matrix.shape)
        if remaining[row, column] <= 0:
            break
        match[row] = column
        remaining[row], remaining[:, column] = 0, 0
    return match


def coco_match(matrix: np.ndarray, min_oks: float) -> np.ndarray:
    """The match (P,) of COCO's evaluation, in the order of the rows of OKS (P, N), sorted by score.

    Each detection takes the most similar person who is still free, if their OKS is at least `min_oks`.
    """
    match, free = np.full(len(matrix), -1), np.ones(matrix.shape[1], bool)
    for row, values in enumerate(matrix):
        values = np.where(free, values, 0)
        if free.any() and values.max() >= min_oks:
            match[row] = values.argmax()
            free[match[row]] = False
    return match


def optimal_match(matrix: np.ndarray) -> np.ndarray:
    """The match (P,) with the largest sum of OKS (P, N); pairs with OKS 0 are not matched."""
    match = np.full(len(matrix), -1)
    rows, columns = assign(matrix)
    match[rows] = columns
    return match


def matched_oks(matrix: np.ndarray, match: np.ndarray) -> np.ndarray:
    """(P,) the OKS of each detection with its matched person; 0 without a match."""
    if not matrix.shape[1]:
        return np.zeros(len(matrix), matrix.dtype)
    return np.where(match >= 0, matrix[np.arange(len(matrix)), match], 0)
