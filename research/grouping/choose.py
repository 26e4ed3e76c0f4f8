"""Learning rates and settings, chosen by what they bring on pictures held apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import product
from typing import Any

import numpy as np

from research.grouping.decode import LIMITS
from research.grouping.heads import Head
from research.grouping.measure import SCORES, Job, Settings
from research.grouping.regroup import ALONE
from research.grouping.scores import Found, alone, ap
from research.grouping.train import Run
from votepose.data.coco import CocoDataset

Measure = Callable[[Mapping[str, Job]], tuple[CocoDataset, dict[str, Found]]]
"""Runs jobs on the pictures that are held apart."""
RATES = (3e-3, 1e-2, 3e-2)
LEAST = (0.02, 0.05, 0.1, 0.2)  # likelihoods


def choose_rate(method: str, train: Callable[[Sequence[Run]], Mapping[Run, Head]], measured: Measure) -> dict[str, Any]:
    """AP of a short training with each rate, and the best rate."""
    runs = [Run(method, 0, rate) for rate in RATES]
    heads = train(runs)
    usual = Settings(0.05, LIMITS[method][1], "both", ALONE[method][1])
    data, found = measured({run.name: (method, heads[run], usual) for run in runs})
    values = {run.rate: ap(found[run.name], data)["ap"] for run in runs}
    return {"ap": {f"{rate:g}": value for rate, value in values.items()}, "best": max(RATES, key=values.__getitem__)}


def choose_settings(method: str, head: Head, measured: Measure) -> dict[str, Any]:
    """The `Settings` with the best AP, and of them `alone` with the largest share of joints in their own group."""
    grid = [Settings(*values, ALONE[method][0]) for values in product(LEAST, LIMITS[method], SCORES)]
    alike = [replace(grid[0], alone=value) for value in ALONE[method]]
    jobs: dict[str, Job] = {str(settings): (method, head, settings) for settings in grid + alike}
    data, found = measured(jobs)
    best = max(grid, key=lambda settings: ap(found[str(settings)], data)["ap"])
    own = max(alike, key=lambda settings: _own(found[str(settings)], method))
    return asdict(replace(best, alone=own.alone))


def _own(found: Found, method: str) -> float:
    return alone(found.pictures, found.alone[method], lambda p: np.full(len(p.sample.keypoints), True))["own"]
