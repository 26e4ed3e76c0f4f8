"""Grouping by associative embedding: Newell, Huang, Deng, "Associative Embedding: End-to-End Learning for Joint
Detection and Grouping", NIPS 2017, section 3.3, with the constants of its authors' code.

Input: the peaks of heatmaps (non-maximum suppression, `scenes.peaks`) with their scores and tags. Joint by joint, from
the head down, detections are matched to the people so far by the Hungarian method (Munkres). The cost is the rounded
distance of tags minus the detection's score. The authors call the pure-Python `munkres` package; SciPy's C++
solver is used here, which is far faster and finds the same assignment. Their final refinement, which searches the whole
heatmap for each missing joint of each person, is left out, which makes the method look faster.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

_DETECTION, _TAG = 0.2, 1.0  # thresholds
_ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)  # head, shoulders, hips, then outwards


def group(points: list[np.ndarray], scores: list[np.ndarray], tags: list[np.ndarray]) -> np.ndarray:
    """For each of 17 joints, detections at `points` (n, 2) in cells with scores (n,) and tags (n,) -> people
    (P, 17, 2) in cells, NaN where a joint was not found."""
    joints = len(points)
    poses: list[np.ndarray] = []  # (17, 2) each
    seen: list[list[float]] = []  # the tags of each person's joints
    for joint in _ORDER:
        keep = scores[joint] > _DETECTION
        place, tag, score = points[joint][keep], tags[joint][keep], scores[joint][keep]
        owners = _match(tag, score, np.array([np.mean(values) for values in seen]))
        for k, owner in enumerate(owners):
            if owner < 0:
                owner = len(poses)
                poses.append(np.full((joints, 2), np.nan))
                seen.append([])
            poses[owner][joint] = place[k]
            seen[owner].append(float(tag[k]))
    return np.stack(poses) if poses else np.zeros((0, joints, 2))


def _match(tag: np.ndarray, score: np.ndarray, people: np.ndarray) -> np.ndarray:
    """(n,) the person of each detection, -1 for a new one."""
    owners = np.full(len(tag), -1)
    if not len(people) or not len(tag):
        return owners
    distance = np.abs(tag[:, None] - people[None])
    cost = np.round(distance) * 100 - score[:, None]
    if len(tag) > len(people):  # columns for detections that match no person
        cost = np.concatenate([cost, np.full((len(tag), len(tag) - len(people)), 1e10)], axis=1)
    rows, columns = linear_sum_assignment(cost)
    matched = columns < len(people)
    rows, columns = rows[matched], columns[matched]
    near = distance[rows, columns] < _TAG
    owners[rows[near]] = columns[near]
    return owners
