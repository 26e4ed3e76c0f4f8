"""Grouping by part affinity fields: Cao, Simon, Wei, Sheikh, "Realtime Multi-Person 2D Pose Estimation using Part
Affinity Fields", CVPR 2017, sections 2.3 and 2.4, with the constants of its authors' code.

Input: the peaks of heatmaps (non-maximum suppression, `scenes.peaks`) and fields (L, 2, h, w). Every pair of candidates
of a link is scored by the line integral of its field (10 samples, 8 of them over 0.05); links are accepted greedily,
best first; and links that share a candidate are merged into people. Scoring, a Python loop over pairs in the authors'
demo, is vectorised here. They upsample the maps to the input's size; here the maps are used without upsampling, which
is faster.
"""

from __future__ import annotations

import numpy as np

_SAMPLES, _SHARE = 10, 0.8
ALONG, LEAST = 0.05, 4  # of a sample of a link; joints of a person


def group(
    points: list[np.ndarray],
    fields: np.ndarray,
    links: tuple[tuple[int, int], ...],
    least: int = LEAST,
    along: float = ALONG,
) -> np.ndarray:
    """For each of 17 joints, candidates (n, 2) in cells, and (L, 2, h, w) fields of `links` -> people (P, 17) of at
    least `least` joints: the candidate of each joint, -1 where it was not found."""
    people: list[dict[int, int]] = []  # joint -> candidate
    owner: dict[tuple[int, int], int] = {}  # (joint, candidate) -> person
    for field, (one, other) in zip(fields, links, strict=True):
        for a, b in _connections(field, points[one], points[other], along):
            _join(people, owner, (one, a), (other, b))
    found = np.full((len(people), len(points)), -1)
    for row, person in enumerate(people):
        for joint, candidate in person.items():
            found[row, joint] = candidate
    return found[(found >= 0).sum(axis=1) >= least]


def _connections(field: np.ndarray, starts: np.ndarray, ends: np.ndarray, least: float) -> list[tuple[int, int]]:
    """Pairs of candidates, greedily: the best first, each candidate once."""
    if not len(starts) or not len(ends):
        return []
    towards = ends[None] - starts[:, None]  # (a, b, 2)
    length = np.linalg.norm(towards, axis=-1).clip(1e-6)
    steps = np.linspace(0, 1, _SAMPLES)[:, None]
    samples = (starts[:, None, None] + steps * towards[:, :, None]).astype(int)  # (a, b, samples, 2)
    samples = samples.clip(0, (field.shape[2] - 1, field.shape[1] - 1))
    vectors = field[:, samples[..., 1], samples[..., 0]]  # (2, a, b, samples)
    along = (vectors[0] * towards[..., :1] + vectors[1] * towards[..., 1:]) / length[..., None]
    score = along.mean(axis=-1) + np.minimum(0.5 * field.shape[1] / length - 1, 0)
    score[((along > least).mean(axis=-1) < _SHARE) | (score <= 0)] = 0
    a, b = np.nonzero(score)
    chosen: list[tuple[int, int]] = []
    taken_a, taken_b = set[int](), set[int]()
    for k in np.argsort(-score[a, b]).tolist():
        pair = int(a[k]), int(b[k])
        if pair[0] not in taken_a and pair[1] not in taken_b:
            chosen.append(pair)
            taken_a.add(pair[0])
            taken_b.add(pair[1])
    return chosen


def _join(
    people: list[dict[int, int]], owner: dict[tuple[int, int], int], one: tuple[int, int], other: tuple[int, int]
) -> None:
    """Add a link between two candidates: start a person, extend one, or merge two that share no joint."""
    p, q = owner.get(one), owner.get(other)
    if p is None and q is None:
        people.append(dict((one, other)))
        owner[one] = owner[other] = len(people) - 1
    elif q is None and p is not None:
        if other[0] not in people[p]:
            people[p][other[0]] = other[1]
            owner[other] = p
    elif p is None and q is not None:
        if one[0] not in people[q]:
            people[q][one[0]] = one[1]
            owner[one] = q
    elif p != q and p is not None and q is not None and not set(people[p]) & set(people[q]):
        people[p] |= people[q]
        owner.update({item: p for item in people[q].items()})
        people[q] = {}
