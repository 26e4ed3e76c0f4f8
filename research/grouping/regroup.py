"""Grouping alone: true joints are given, and each method's output says which of them belong together. In cells of F."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from benchmarks import associative_embedding, part_affinity
from research.grouping.decode import FIND, LIMITS, centred, fine_fields, grouped_votes, read_tags
from research.grouping.heads import FINER, JOINTS, LINKS, tag_maps, votes_at
from votepose.grouping import GroupingConfig, Groups

ALONE = {
    **LIMITS,
    "centres": (0.1, 0.2, 0.3, 0.4),
    "votes, assigned": LIMITS["votes"],
    "votes, linked": (1.0, 2.0, 4.0, 8.0),
}
"""Of each way in `REGROUP`, what its constant may be: as `decode.LIMITS`, but the least likelihood of a centre, and for
linked votes the greatest distance of a joint from where another expects it, in that vote's scales."""


def votes_alone(output: Tensor, points: np.ndarray, joint: np.ndarray, limit: float) -> np.ndarray:
    """Each joint's cell votes, and the joint goes with its vote."""
    groups = _true_votes(output, points, limit)
    return np.asarray(groups.follow[0])


def votes_assigned(output: Tensor, points: np.ndarray, joint: np.ndarray, limit: float) -> np.ndarray:
    """A hybrid: people as the joints' cells vote, and to each of them the nearest of the joints, one of a kind."""
    groups = _true_votes(output, points, limit)
    leader = groups.leader[0]
    return _assigned(points, joint, groups.poses[0][leader].numpy(), groups.log_scales[0][leader].exp().numpy())


def votes_linked(output: Tensor, points: np.ndarray, joint: np.ndarray, limit: float) -> np.ndarray:
    """A hybrid: every pair of joints is linked by where each expects the other; links are accepted greedily, the best
    first, as those of affinity fields, so that a person has one joint of a kind."""
    votes = votes_at(output, _cells(output, points))
    poses, scales = votes.poses[0].numpy(), votes.log_scales[0].exp().numpy()
    gap = np.linalg.norm(poses[:, joint] - points[None], axis=-1) / scales[:, joint]  # (J, J)
    gap = (gap + gap.T) / 2
    near = np.triu((gap < limit) & (joint[:, None] != joint), 1)
    one, other = np.nonzero(near)
    labels = np.arange(len(points))
    kinds = [{int(k)} for k in joint]  # of each group's joints
    for a, b in zip(*(x[np.argsort(gap[near])] for x in (one, other)), strict=True):
        first, second = labels[a], labels[b]
        if not kinds[first] & kinds[second]:
            kinds[first] |= kinds[second]
            labels[labels == second] = first
    return labels


def tags_alone(output: Tensor, points: np.ndarray, joint: np.ndarray, limit: float) -> np.ndarray:
    rows = [np.flatnonzero(joint == k) for k in range(JOINTS)]
    tags = [read_tags(field, points[r]) for field, r in zip(tag_maps(output)[0].numpy(), rows, strict=True)]
    return _labels(associative_embedding.group([np.ones(len(r)) for r in rows], tags, reach=limit), rows, len(points))


def affinity_alone(output: Tensor, points: np.ndarray, joint: np.ndarray, limit: float) -> np.ndarray:
    rows = [np.flatnonzero(joint == k) for k in range(JOINTS)]
    people = part_affinity.group([points[r] * FINER for r in rows], fine_fields(output), LINKS, 1, limit)
    return _labels(people, rows, len(points))


def centres_alone(output: Tensor, points: np.ndarray, joint: np.ndarray, limit: float) -> np.ndarray:
    """To each person whose centre is found the nearest of the joints, one of a kind."""
    poses = centred(output, limit).poses
    return _assigned(points, joint, poses, np.ones(poses.shape[:2]))


REGROUP: dict[str, Callable[[Tensor, np.ndarray, np.ndarray, float], np.ndarray]] = {
    "votes": votes_alone,
    "votes, assigned": votes_assigned,
    "votes, linked": votes_linked,
    "tags": tags_alone,
    "affinity": affinity_alone,
    "centres": centres_alone,
}
"""Output, true joints (J, 2), which joint each is (J,), the constant -> (J,) numbers of groups, -1 for none."""
WAYS = {method: [way for way in REGROUP if way.partition(",")[0] == method] for method in FIND}
"""Of each method, in `REGROUP`."""


def _true_votes(output: Tensor, points: np.ndarray, limit: float) -> Groups:
    cells = _cells(output, points)
    return grouped_votes(output, cells, torch.ones(cells.shape), GroupingConfig(threshold=limit))


def _cells(output: Tensor, points: np.ndarray) -> Tensor:
    """(1, J) the flat cells that points (J, 2) lie in."""
    height, width = output.shape[-2:]
    cell = np.floor(points).astype(int).clip(0, (width - 1, height - 1))
    return torch.from_numpy(cell[:, 1] * width + cell[:, 0])[None]


def _assigned(points: np.ndarray, joint: np.ndarray, poses: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """For each joint, the best one-to-one assignment of its points to people, by distance in `scales` (P, K)."""
    labels = np.full(len(points), -1)
    for k in np.unique(joint):
        rows = np.flatnonzero(joint == k)
        gap = np.linalg.norm(points[rows][:, None] - poses[None, :, k], axis=-1) / scales[None, :, k]
        taken, person = linear_sum_assignment(gap)
        labels[rows[taken]] = person
    return labels


def _labels(people: np.ndarray, rows: list[np.ndarray], count: int) -> np.ndarray:
    labels = np.full(count, -1)
    for number, person in enumerate(people):
        for k in np.flatnonzero(person >= 0):
            labels[rows[k][person[k]]] = number
    return labels
