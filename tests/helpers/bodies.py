"""Random people, in cells, for tests of what paints them and what groups their votes."""

from __future__ import annotations

import numpy as np

from votepose.skeleton import COCO_17

KAPPAS = COCO_17.kappas
_SHAPE = np.random.default_rng(0).uniform(-0.5, 0.5, (len(COCO_17), 2))


def people_apart(count: int, rng: np.random.Generator, size: float = 8.0, columns: int = 20) -> np.ndarray:
    """(count, 17, 2) people about `size` cells large, each in a square of a grid of its own, jointed at random."""
    squares = rng.permutation(max(count, columns))[:count]
    corners = np.stack([squares % columns, squares // columns], axis=1) * 2 * size
    shapes = _SHAPE + rng.uniform(-0.1, 0.1, (count, *_SHAPE.shape))
    return (corners[:, None] + size * (1 + shapes)).astype(np.float32)


def matched(found: np.ndarray, wanted: np.ndarray) -> float:
    """The largest distance between joints of two sets of people (P, K, 2), each paired with its nearest."""
    if len(found) != len(wanted):
        return float("inf")
    if not len(found):
        return 0.0
    gaps = np.abs(found[:, None] - wanted[None]).max(axis=(2, 3))
    nearest = gaps.argmin(axis=1)
    return float(gaps.min(axis=1).max()) if len(set(nearest)) == len(wanted) else float("inf")
