"""Learning rates and settings, chosen by what they bring on pictures held apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import product
from typing import Any

import numpy as np

from research.grouping.decode import LIMITS
from research.grouping.features import Trunk
from research.grouping.heads import METHODS, Head
from research.grouping.measure import SCORES, Job, Settings, measure
from research.grouping.regroup import ALONE
from research.grouping.scores import Found, alone, ap
from research.grouping.train import Run
from votepose.data.coco import CocoDataset

Load = Callable[[], CocoDataset]
RATES = (3e-3, 1e-2, 3e-2)
LEAST = (0.02, 0.05, 0.1, 0.2)  # likelihoods


def choose_rate(
    method: str, train: Callable[[Sequence[Run]], Mapping[Run, Head]], load: Load, trunk: Trunk, size: int
) -> dict[str, Any]:
    """AP of a short training with each rate, and the best rate."""
    runs = [Run(method, 0, rate) for rate in RATES]
    heads, data = train(runs), load()
    usual = Settings(0.05, LIMITS[method][1], "both", ALONE[method][1])
    found = measure(data, trunk, size, {run.name: (method, heads[run], usual) for run in runs})
    values = {run.rate: ap(found[run.name], data)["ap"] for run in runs}
    return {"ap": {f"{rate:g}": value for rate, value in values.items()}, "best": max(RATES, key=values.__getitem__)}


def choose_settings(heads: Mapping[str, Head], load: Load, trunk: Trunk, size: int) -> dict[str, Any]:
    """For a head of each method, the `Settings` with the best AP and the largest share of joints with their person."""
    jobs: dict[str, Job] = {}
    for method in METHODS:
        grid = [Settings(*values, ALONE[method][0]) for values in product(LEAST, LIMITS[method], SCORES)]
        grid += [replace(grid[0], alone=value) for value in ALONE[method][1:]]
        jobs |= {f"{method} {i}": (method, heads[method], settings) for i, settings in enumerate(grid)}
    data, chosen = load(), dict[str, Any]()
    found = measure(data, trunk, size, jobs)
    for method in METHODS:
        names = [name for name in jobs if jobs[name][0] == method]
        best = max(names, key=lambda name: ap(found[name], data)["ap"])
        own = max(names, key=lambda name: _own(found[name], method))
        chosen[method] = asdict(replace(jobs[best][2], alone=jobs[own][2].alone))
    return chosen


def _own(found: Found, method: str) -> float:
    return alone(found.pictures, found.alone[method], lambda p: np.full(len(p.sample.keypoints), True))["own"]
