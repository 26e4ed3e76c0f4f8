"""Groups votes into people (paper IV) with matrix products: the time does not depend on the number of people.

Each vote points to the strongest vote that it agrees with. Pointer doubling finds the end of each chain in log2 Q
steps. Votes whose chains share an end form one person and are averaged with a one-hot product. The same code runs on
NumPy and PyTorch arrays, so the runtime, training and the exported graph cannot differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from votepose.oks import body_sizes
from votepose.utils.arrays import Array, namespace, take, transposed


@dataclass(frozen=True)
class GroupingConfig:
    """Options of the grouping.

    Attributes:
        presence_threshold: minimum presence of a candidate cell (0.8 in the paper).
        rule: `euclidean`, the distance between whole vectors in cells (paper IV-A), or `scaled`, the distance between
            two votes as a share of the person's size, with each joint weighted by both votes' certainty.
        threshold: votes closer than this agree; in cells or as a share, depending on the rule.
        pooling: `mean` (paper IV-B), or `certain`, which weights joints by their precision and the cell's presence.
        candidates: maximum number of cells that vote; those with the highest presence do.
        peaks: whether only local maxima of presence vote.
        refine_twice: minimum score after the first refinement for a person to be refined again, in [0, 1]; 1 refines
            once.
        good_enough: score after the first refinement from which a person is not refined again, in [0, 1].
    """

    presence_threshold: float | Array = 0.35  # an array in the exported graph, where it is an input
    rule: Literal["euclidean", "scaled"] = "scaled"
    threshold: float = 0.18
    pooling: Literal["mean", "certain"] = "certain"
    candidates: int = 256
    peaks: bool = True
    refine_twice: float = 0.6
    good_enough: float = 0.85


PAPER = GroupingConfig(0.8, "euclidean", 16.0, "mean", candidates=512, peaks=False)


@dataclass(frozen=True)
class Groups:
    """The groups of Q votes; only rows where `leader` is true are people. Leading dimensions are the votes'.

    Attributes:
        follow: (..., Q) index of the vote that leads each vote's group.
        leader: (..., Q) bool: whether the vote leads a group.
        poses: (..., Q, K, 2) pooled joints in cells.
        log_scales: (..., Q, K) pooled log Laplace scale in cells.
        seen: (..., Q, K) bool: whether a member's cell lies on the joint; otherwise the joint is inferred.
        support: (..., Q) summed presence of the members.
        scores: (..., Q) confidence in the person, in [0, 1].
    """

    follow: Array
    leader: Array
    poses: Array
    log_scales: Array
    seen: Array
    support: Array
    scores: Array


def vote_distances(poses: Array, log_scales: Array, config: GroupingConfig) -> Array:
    """Pairwise distances (..., Q, Q) of votes (..., Q, K, 2), in units of `config.threshold`, with one matrix
    product."""
    xp = namespace(poses)
    left, right, weights = _factors(poses, log_scales, config)
    squared = (left @ transposed(right)).clip(0.0)
    if config.rule == "euclidean":
        return xp.sqrt(squared)
    sizes = body_sizes(poses)
    mean = squared / (weights @ transposed(weights))
    return xp.sqrt(mean / (sizes[..., :, None] * sizes[..., None, :]))


def _factors(poses: Array, log_scales: Array, config: GroupingConfig) -> tuple[Array, Array, Array]:
    """Factors (left, right), (..., Q, 4 K) each, of the certainty-weighted squared distance sum_j w_a w_b (a - b)^2,
    and the certainties w (..., Q, K)."""
    xp = namespace(poses)
    centred = poses - poses.reshape(*poses.shape[:-3], -1, 2).mean(-2)[..., None, None, :]
    x, y = centred[..., 0], centred[..., 1]
    if config.rule == "euclidean":
        weights = xp.ones_like(log_scales)
    else:
        weights = xp.exp(-log_scales)
        weights = weights / weights.mean(-1)[..., None]
    across, down = weights * x, weights * y
    squares = across * x + down * y
    left = xp.concatenate([squares, weights, -2 * across, -2 * down], -1)
    return left, xp.concatenate([weights, squares, across, down], -1), weights


def _agree(poses: Array, log_scales: Array, sizes: Array, config: GroupingConfig) -> Array:
    """(..., Q, Q) bool: `vote_distances` < threshold, as the sign of one matrix product that includes the bound."""
    xp = namespace(poses)
    left, right, weights = _factors(poses, log_scales, config)
    bound = xp.ones_like(sizes)[..., None] if config.rule == "euclidean" else weights * sizes[..., None]
    left = xp.concatenate([left, -(config.threshold**2) * bound], -1)
    return left @ transposed(xp.concatenate([right, bound], -1)) < 0


def vote_strengths(presence: Array, certainty: Array) -> Array:
    """(..., Q) strengths that rank the votes, from presence (..., Q) and `joint_confidences` (..., Q, K)."""
    return presence * (0.05 + certainty.mean(-1))


def group(
    poses: Array, log_scales: Array, cells: Array, presence: Array, kappas: Array, config: GroupingConfig
) -> Groups:
    """Group the Q votes of each image.

    Args:
        poses: (..., Q, K, 2) voted joints in cells.
        log_scales: (..., Q, K) log of their Laplace scales in cells (zeros for equal scales).
        cells: (..., Q, 2) centres of the cells that voted, x first.
        presence: (..., Q) presence at those cells; votes below the threshold do not count.
        kappas: (K,) OKS fall-off constants.
    """
    xp = namespace(poses)
    count = poses.shape[-3]
    valid = (presence >= config.presence_threshold) & (presence > 0)
    index = xp.arange(count) if xp.__name__ == "numpy" else xp.arange(count, device=poses.device)
    if not count:  # no strongest vote to follow
        return Groups(xp.zeros_like(valid) + index, valid, poses, log_scales, log_scales > 0, presence, presence)
    sizes = body_sizes(poses)
    certainty = joint_confidences(log_scales, sizes, kappas)
    strength = vote_strengths(valid * presence, certainty)
    follow = (_agree(poses, log_scales, sizes, config) * strength[..., None, :]).argmax(-1)
    for _ in range(max(1, math.ceil(math.log2(count + 1)))):
        follow = take(follow, follow)
    follow = xp.where(valid, follow, xp.zeros_like(follow) + index)
    members = (follow[..., None, :] == index[:, None]) & valid[..., None, :]
    pooled = _pool(members, poses, log_scales, cells, presence, sizes, kappas, config)
    leader = (follow == index) & valid
    support = pooled["support"]
    confidence = joint_confidences(pooled["log_scales"], body_sizes(pooled["poses"]), kappas)
    scores = (1 - xp.exp(-support / 3)) * confidence.mean(-1)
    return Groups(follow, leader, pooled["poses"], pooled["log_scales"], pooled["seen"], support, scores)


def _pool(
    members: Array,
    poses: Array,
    log_scales: Array,
    cells: Array,
    presence: Array,
    sizes: Array,
    kappas: Array,
    config: GroupingConfig,
) -> dict[str, Array]:
    """Average the members of each group with one product by the one-hot membership (..., Q, Q)."""
    xp = namespace(poses)
    k = poses.shape[-2]
    certain = presence[..., None] * xp.exp(-2 * log_scales)
    weights = certain if config.pooling == "certain" else xp.ones_like(certain)
    flat = (poses * weights[..., None]).reshape(*poses.shape[:-2], -1)
    across, down = poses[..., 0] - cells[..., None, 0], poses[..., 1] - cells[..., None, 1]
    tolerance = (0.5 * kappas * sizes[..., None]).clip(1.0)
    on_joint = (across**2 + down**2 < tolerance**2) * xp.ones_like(weights)
    columns = xp.concatenate([flat, weights, weights * log_scales, on_joint, presence[..., None]], -1)
    sums = (members * xp.ones_like(presence)[..., None, :]) @ columns
    total = sums[..., 2 * k : 3 * k].clip(1e-12)
    return {
        "poses": sums[..., : 2 * k].reshape(poses.shape) / total[..., None],
        "log_scales": sums[..., 3 * k : 4 * k] / total,
        "seen": sums[..., 4 * k : 5 * k] > 0.5,
        "support": sums[..., -1],
    }


def joint_confidences(log_scales: Array, sizes: Array, kappas: Array) -> Array:
    """(..., K): the expected OKS of a joint with this Laplace scale, in [0, 1].

    It is 1 / (1 + (b / (kappa s))^2), with b the scale and s the body size; `sizes` (...) has the scales' unit.
    """
    xp = namespace(log_scales)
    return 1 / (1 + (xp.exp(log_scales) / (kappas * sizes[..., None])) ** 2)
