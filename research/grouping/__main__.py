"""Which way of grouping is best? Trains four heads on one frozen trunk and measures them.

    python -m research.grouping --data DIR[:WEIGHT] ... --held DIR --val DIR --out DIR

Each phase leaves its result in --out and is not repeated: features of the training pictures, learning rates, settings,
training, then each set of pictures, speed and the page. A killed run continues. --held has pictures that are not in
--data (`scripts/hold_out.py`): rates and settings are chosen there. Writes grouping.json and grouping.png.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from research.grouping.decode import ALONE, LIMITS
from research.grouping.features import CachedFeatures, Trunk
from research.grouping.heads import METHODS, Head, cost
from research.grouping.measure import SCORES, Found, Job, Settings, alone, ap, measure, summary
from research.grouping.report import report
from research.grouping.speed import speed
from research.grouping.train import Run, train
from votepose.commands import synth
from votepose.data.coco import CocoDataset, load_coco
from votepose.io.files import save_text

ROOT = Path(__file__).parents[2]
RATES = (3e-3, 1e-2, 3e-2)
LEAST = (0.02, 0.05, 0.1, 0.2)  # likelihoods
CROWDS = (2, 5, 10, 20, 50)  # people in each picture of a generated set


@dataclass(frozen=True)
class Options:
    data: tuple[str, ...]
    """Folders to train on, as in `votepose train`."""
    held: Path
    """Pictures to choose rates and settings on."""
    val: Path
    """Pictures to measure on."""
    out: Path
    """Folder for results; cached features take 0.4 MB a picture."""
    weights: Path = ROOT / "research/weights/lite.safetensors"
    """Trained weights with keypoint maps."""
    size: int = 320
    """Side of the training inputs, in pixels."""
    measured_size: int = 384
    """Longest side of the inputs that are measured."""
    cached: int = 5_000
    """Augmented training pictures."""
    pictures: int = 50_000
    """Pictures that each head learns from, counting repetitions."""
    rate_pictures: int = 2_400
    """The same for the choice of learning rates."""
    held_pictures: int = 80
    """Of --held, used for choices."""
    seeds: int = 3
    crowd_pictures: int = 12
    """Pictures of each generated set; 0 for no such sets."""
    only: tuple[str, ...] = ()
    """Methods; train their heads and stop, so that processes can share the work."""
    smoke: bool = False
    """Tiny numbers, to see in a few seconds that all works."""


def main(options: Options) -> None:
    torch.set_flush_denormal(True)
    if options.smoke:
        options = replace(options, size=64, measured_size=64, cached=16, pictures=32, rate_pictures=16)
        options = replace(options, held_pictures=2, seeds=1, crowd_pictures=0)
    trunk = Trunk(options.weights)
    cache = CachedFeatures(options.out / "features", options.data, trunk, options.size, options.cached)
    rates, heads = dict[str, dict[str, Any]](), dict[Run, Head]()
    for method in options.only or METHODS:
        rates[method] = _once(options.out / f"rates-{method}.json", partial(_rates, method, options, trunk, cache))
        these = [Run(method, seed, rates[method]["best"]) for seed in range(options.seeds)]
        heads |= _train(these, options.pictures, options.out / f"{method}.pt", trunk, cache)
    if options.only:
        return
    runs = list(heads)
    chosen = _once(options.out / "settings.json", lambda: _settings(options, trunk, heads, runs))
    settings = {method: Settings(**chosen[method]) for method in METHODS}
    jobs = {run.name: (run.method, heads[run], settings[run.method]) for run in runs}
    sets: dict[str, Any] = {}
    for name, load in _sets(options).items():

        def measured(load: Callable[[], CocoDataset] = load, crowded: bool = name != "val") -> dict[str, Any]:
            data = load()
            found = measure(data, trunk, options.measured_size, jobs)
            return {run.name: summary(found[run.name], data, options.measured_size, crowded) for run in runs}

        by_run = _once(options.out / f"{name}.json", measured)
        sets[name] = {m: [by_run[run.name] for run in runs if run.method == m] for m in METHODS}
    repeats = 1 if options.smoke else 15
    result = {
        "options": {k: v for k, v in asdict(options).items() if not isinstance(v, Path | tuple)},
        "heads": {method: cost(method, trunk.channels) for method in METHODS},
        "rates": rates,
        "settings": chosen,
        "sets": sets,
        "speed": _once(options.out / "speed.json", lambda: speed(repeats, trunk.channels)),
    }
    save_text(json.dumps(result, indent=1) + "\n", options.out / "grouping.json")
    report(result, options.out)


def _once(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `path` holds; made and written there if it is missing."""
    if not path.exists():
        save_text(json.dumps(make(), indent=1) + "\n", path)
        print(f"wrote {path}", flush=True)
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def _train(runs: list[Run], pictures: int, path: Path, trunk: Trunk, cache: CachedFeatures) -> dict[Run, Head]:
    kappas = torch.from_numpy(trunk.skeleton.kappas)
    return train(runs, cache, pictures, path, trunk.stride, trunk.channels, kappas)


def _rates(method: str, options: Options, trunk: Trunk, cache: CachedFeatures) -> dict[str, Any]:
    """AP of a short training with each rate, and the best."""
    runs = [Run(method, 0, rate) for rate in RATES]
    heads = _train(runs, options.rate_pictures, options.out / f"rates-{method}.pt", trunk, cache)
    usual = Settings(0.05, LIMITS[method][1], "both", ALONE[method][1])
    data = load_coco(options.held, options.held_pictures)
    found = measure(data, trunk, options.measured_size, {run.name: (method, heads[run], usual) for run in runs})
    values = {run.rate: ap(found[run.name], data)["ap"] for run in runs}
    return {"ap": {f"{rate:g}": value for rate, value in values.items()}, "best": max(RATES, key=values.__getitem__)}


def _settings(options: Options, trunk: Trunk, heads: dict[Run, Head], runs: list[Run]) -> dict[str, Any]:
    """The settings of each method with the best AP, and the best share of joints with their own person."""
    data = load_coco(options.held, options.held_pictures)
    first = {run.method: heads[run] for run in reversed(runs)}
    jobs: dict[str, Job] = {}
    for method in METHODS:
        grid = [Settings(*x, ALONE[method][0]) for x in product(LEAST, LIMITS[method], SCORES)]
        grid += [replace(grid[0], alone=value) for value in ALONE[method][1:]]
        jobs |= {f"{method} {i}": (method, first[method], settings) for i, settings in enumerate(grid)}
    found = measure(data, trunk, options.measured_size, jobs)
    chosen = {}
    for method in METHODS:
        of = [name for name in jobs if jobs[name][0] == method]
        best = max(of, key=lambda name: ap(found[name], data)["ap"])
        own = max(of, key=lambda name: _own(found[name], method))
        chosen[method] = asdict(replace(jobs[best][2], alone=jobs[own][2].alone))
    return chosen


def _own(found: Found, method: str) -> float:
    return alone(found.pictures, found.alone[method], lambda p: np.full(len(p.sample.keypoints), True))["own"]


def _sets(options: Options) -> dict[str, Callable[[], CocoDataset]]:
    sets: dict[str, Callable[[], CocoDataset]] = {"val": lambda: load_coco(options.val, 4 if options.smoke else None)}
    for people in CROWDS if options.crowd_pictures else ():

        def crowd(people: int = people) -> CocoDataset:
            folder = options.out / "crowds" / str(people)
            many = (people, people)
            synth.run(
                synth.SynthConfig(folder, options.crowd_pictures, 24, 512, people=many, occlusion=0.4, props=0, sheet=0)
            )
            return load_coco(folder)

        sets[f"crowd-{people}"] = crowd
    return sets


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
