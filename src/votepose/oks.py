"""Object keypoint similarity (COCO keypoint evaluation), and what hangs on it, on NumPy and PyTorch arrays alike."""

from __future__ import annotations

from votepose.utils.arrays import Array, joints_first, namespace

_MIN_SIZE = 2.0  # in the unit of the poses


def body_sizes(poses: Array) -> Array:
    """(..., K, 2) -> (...) the size of the body that a pose draws: the root of its box's area, in the poses' unit."""
    xp = namespace(poses)
    joints = joints_first(poses)
    sides = (xp.amax(joints, 0) - xp.amin(joints, 0)).clip(1.0)
    x, y = sides[..., 0], sides[..., 1]
    return xp.maximum(xp.sqrt(x * y), 0.5 * xp.maximum(x, y)).clip(_MIN_SIZE)


def joint_similarities(poses: Array, others: Array, sizes: Array, kappas: Array) -> Array:
    """(..., K) the share of OKS that each joint of poses (..., K, 2) keeps beside others (..., K, 2).

    Args:
        poses, others: in one unit; their leading dimensions broadcast.
        sizes: (...) root of the person's area, in that unit.
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
    """(P,) bool: poses (P, K, 2) with no better one in the same image whose OKS with them is over `threshold`."""
    xp = namespace(poses)
    sizes = body_sizes(poses)
    similarity = oks(poses[:, None], poses[None], xp.minimum(sizes[:, None], sizes[None]), kappas)
    better = (scores[None] > scores[:, None]) & (image_index[None] == image_index[:, None])
    return ~(better & (similarity > threshold)).any(-1)
