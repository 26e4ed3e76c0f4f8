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
from research.grouping.regroup import ALONE, WAYS
from research.grouping.scores import Found, alone, ap
from research.grouping.train import Run
from votepose.data.labelled import LabelledDataset

Measure = Callable[[Mapping[str, Job]], tuple[LabelledDataset, dict[str, Found]]]
"""Runs jobs on the pictures that are held apart."""
RATES = (3e-3, 1e-2, 3e-2)
LEAST = (0.02, 0.05, 0.1, 0.2)  # likelihoods


def choose_rate(method: str, train: Callable[[Sequence[Run]], Mapping[Run, Head]], measured: Measure) -> dict[str, Any]:
    """AP of a short training with each rate, and the best rate."""
    runs = [Run(method, 0, rate) for rate in RATES]
    heads = train(runs)
    usual = Settings(0.05, LIMITS[method][1], "both", {})
    data, found = measured({run.name: (method, heads[run], usual) for run in runs})
    values = {run.rate: ap(found[run.name], data)["ap"] for run in runs}
    return {"ap": {f"{rate:g}": value for rate, value in values.items()}, "best": max(RATES, key=values.__getitem__)}


def choose_settings(method: str, head: Head, measured: Measure) -> dict[str, Any]:
    """The `Settings` with the best AP, and in `alone` those with the largest share of joints in their own group."""
    grid = [Settings(*values, {}) for values in product(LEAST, LIMITS[method], SCORES)]
    alike = {way: [replace(grid[0], alone={way: value}) for value in ALONE[way]] for way in WAYS[method]}
    every = [*grid, *(settings for of_way in alike.values() for settings in of_way)]
    data, found = measured({str(settings): (method, head, settings) for settings in every})
    best = max(grid, key=lambda settings: ap(found[str(settings)], data)["ap"])
    limits = [max(of_way, key=lambda settings: _own(found[str(settings)])).alone for of_way in alike.values()]
    return asdict(replace(best, alone={way: value for limit in limits for way, value in limit.items()}))


def _own(found: Found) -> float:
    """The share of joints in their own group, of the one way that was tried."""
    (tables,) = found.alone.values()
    return alone(found.pictures, tables, lambda p: np.full(len(p.sample.keypoints), True))["own"]
