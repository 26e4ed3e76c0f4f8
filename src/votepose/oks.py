"""Object keypoint similarity (OKS, COCO keypoint evaluation) and body sizes, for NumPy and PyTorch arrays alike."""

from __future__ import annotations

from votepose.utils.arrays import Array, joints_first, namespace

_MIN_SIZE = 2.0  # in the unit of the poses


def body_sizes(poses: Array) -> Array:
    """(...) sizes of poses (..., K, 2) in their unit: the root of the keypoints' box's area.

    A size is at least half the box's longer side, so that a thin pose is not small, and at least `_MIN_SIZE`.
    """
    xp = namespace(poses)
    joints = joints_first(poses)
    sides = (xp.amax(joints, 0) - xp.amin(joints, 0)).clip(1.0)
    x, y = sides[..., 0], sides[..., 1]
    return xp.maximum(xp.sqrt(x * y), 0.5 * xp.maximum(x, y)).clip(_MIN_SIZE)


def joint_similarities(poses: Array, others: Array, sizes: Array, kappas: Array) -> Array:
    """(..., K) the similarity of each joint of poses (..., K, 2) to others (..., K, 2): the share of OKS that it keeps.

    Args:
        poses, others: in one unit; their leading dimensions broadcast.
        sizes: (...) root of each person's area, in that unit.
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
    """(P,) bool: the poses (P, K, 2) to keep: those without a better one of OKS over `threshold` in the same image."""
    xp = namespace(poses)
    sizes = body_sizes(poses)
    similarity = oks(poses[:, None], poses[None], xp.minimum(sizes[:, None], sizes[None]), kappas)
    better = (scores[None] > scores[:, None]) & (image_index[None] == image_index[:, None])
    return ~(better & (similarity > threshold)).any(-1)
