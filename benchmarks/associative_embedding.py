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

DETECTION, TAG = 0.2, 1.0  # thresholds
_ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)  # head, shoulders, hips, then outwards


def group(
    scores: list[np.ndarray], tags: list[np.ndarray], detection: float = DETECTION, reach: float = TAG
) -> np.ndarray:
    """For each of 17 joints, detections with scores (n,), which count above `detection`, and tags (n,), which
    match a person's within `reach` -> people (P, 17): the detection of each joint, -1 where it was not found."""
    people: list[np.ndarray] = []
    seen: list[list[float]] = []  # the tags of each person's joints
    for joint in _ORDER:
        kept = np.flatnonzero(scores[joint] > detection)
        tag = tags[joint][kept]
        owners = _match(tag, scores[joint][kept], np.array([np.mean(values) for values in seen]), reach)
        for k, owner in enumerate(owners):
            if owner < 0:
                owner = len(people)
                people.append(np.full(len(scores), -1))
                seen.append([])
            people[owner][joint] = kept[k]
            seen[owner].append(float(tag[k]))
    return np.stack(people) if people else np.zeros((0, len(scores)), int)


def _match(tag: np.ndarray, score: np.ndarray, people: np.ndarray, reach: float) -> np.ndarray:
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
    near = distance[rows, columns] < reach
    owners[rows[near]] = columns[near]
    return owners
