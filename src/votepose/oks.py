"""Object keypoint similarity (OKS, COCO keypoint evaluation) and body sizes, for NumPy and PyTorch arrays."""

from __future__ import annotations

import numpy as np

from votepose.utils.arrays import Array, joints_first, namespace

_MIN_SIZE = 2.0  # in the poses' unit
_DOUBLE_OKS = 0.72  # OKS over the joints that both poses are confident of; people behind each other reach 0.71
_DOUBLE_IOU = 0.3  # IoU of the boxes, which inferred joints enlarge


def body_sizes(poses: Array) -> Array:
    """(...) sizes of poses (..., K, 2) in their unit: the square root of the area of the keypoints' box.

    A size is at least half the box's longer side, so that a thin pose is not small, and at least `_MIN_SIZE`.
    """
    xp = namespace(poses)
    joints = joints_first(poses)
    sides = (xp.amax(joints, 0) - xp.amin(joints, 0)).clip(1.0)
    x, y = sides[..., 0], sides[..., 1]
    return xp.maximum(xp.sqrt(x * y), 0.5 * xp.maximum(x, y)).clip(_MIN_SIZE)


def joint_similarities(poses: Array, others: Array, sizes: Array, kappas: Array) -> Array:
    """(..., K) similarity of each joint of poses (..., K, 2) to others (..., K, 2): its term in OKS.

    Args:
        poses, others: in the same unit; their leading dimensions broadcast.
        sizes: (...) square root of each person's area, in that unit.
        kappas: (K,) fall-off constants.
    """
    xp = namespace(poses)
    squared = ((poses - others) ** 2).sum(-1)
    return xp.exp(-squared / (2 * (kappas * sizes[..., None]) ** 2))


def oks(poses: Array, others: Array, sizes: Array, kappas: Array, weights: Array | None = None) -> Array:
    """(...) object keypoint similarity: the mean of `joint_similarities`, weighted by `weights` (..., K) if given."""
    similarity = joint_similarities(poses, others, sizes, kappas)
    if weights is None:
        return similarity.mean(-1)
    return (similarity * weights).sum(-1) / weights.sum(-1).clip(1e-6)


def oks_nms(poses: Array, scores: Array, image_index: Array, kappas: Array, threshold: float) -> Array:
    """(P,) bool: the poses (P, K, 2) to keep: no better pose in the same image has an OKS over `threshold` with
    them."""
    xp = namespace(poses)
    sizes = body_sizes(poses)
    similarity = oks(poses[:, None], poses[None], xp.minimum(sizes[:, None], sizes[None]), kappas)
    better = (scores[None] > scores[:, None]) & (image_index[None] == image_index[:, None])
    return ~(better & (similarity > threshold)).any(-1)


def without_doubles(poses: np.ndarray, confidences: np.ndarray, kappas: np.ndarray) -> np.ndarray:
    """(P,) bool: the poses of one image to keep; False where a better pose shows the same person.

    Two poses show one person if their boxes overlap and the joints that both are confident of agree, even if other
    joints differ, such as legs outside the image; `oks_nms` weights all joints equally and would keep both.

    Args:
        poses: (P, K, 2), best first.
        confidences: (P, K) joint confidences, in [0, 1].
        kappas: (K,) OKS fall-off constants.
    """
    sizes = body_sizes(poses)
    weights = confidences[:, None] * confidences[None] + 1e-6
    similarity = oks(poses[:, None], poses[None], np.minimum(sizes[:, None], sizes[None]), kappas, weights)
    double = (similarity > _DOUBLE_OKS) & (_box_ious(poses) > _DOUBLE_IOU)
    keep = np.ones(len(poses), bool)
    for k in range(1, len(poses)):
        keep[k] = not (double[k, :k] & keep[:k]).any()
    return keep


def _box_ious(poses: np.ndarray) -> np.ndarray:
    """(P, P) intersection over union of the keypoint boxes of poses (P, K, 2)."""
    low, high = poses.min(axis=1), poses.max(axis=1)
    shared = np.clip(np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None]), 0, None).prod(-1)
    areas = (high - low).prod(-1)
    return np.asarray(shared / (areas[:, None] + areas[None] - shared).clip(1e-6))
