"""Which way of grouping is best? Trains four heads on one frozen trunk and measures them.

    python -m research.grouping --data DIR[:WEIGHT] ... --held DIR --val DIR --out DIR

Each phase leaves its result in --out and is not repeated: features of the training pictures, learning rates, settings,
training, then each set of pictures, speed and the page. A killed run continues. --held has pictures that are not in
--data (`scripts/hold_out.py`): rates and settings are chosen there. Writes grouping.json and grouping.png.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import tyro

from research.grouping.choose import choose_rate, choose_settings
from research.grouping.features import CachedFeatures, Trunk
from research.grouping.heads import METHODS, Head, cost
from research.grouping.measure import Job, Settings, measure
from research.grouping.report import report
from research.grouping.scores import summary
from research.grouping.speed import speed
from research.grouping.train import Run, train
from votepose.commands import synth
from votepose.data.labelled import LabelledDataset, load_labelled
from votepose.inference.weights import FOLDER
from votepose.io.files import save_text

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
    weights: Path = FOLDER / "lite.safetensors"
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
    """Only these methods and no page, so that processes can share the work; a run without it joins their results."""
    smoke: bool = False
    """Tiny numbers, to see in a few seconds that all works."""


def main(options: Options) -> None:
    if options.smoke:
        options = replace(options, size=64, measured_size=64, cached=16, pictures=32, rate_pictures=16)
        options = replace(options, held_pictures=2, seeds=1, crowd_pictures=0)
    trunk = Trunk(options.weights)
    cache = CachedFeatures(options.out / "features", options.data, trunk, options.size, options.cached)
    cells = {method: _cells(method, options, trunk, cache) for method in options.only or METHODS}
    if options.only:
        return
    repeats = 1 if options.smoke else 5
    result = {
        "options": {k: v for k, v in asdict(options).items() if isinstance(v, int)},
        "heads": {method: cost(method, trunk.channels) for method in METHODS},
        "rates": {method: cells[method]["rates"] for method in METHODS},
        "settings": {method: cells[method]["settings"] for method in METHODS},
        "sets": {name: {method: cells[method][name] for method in METHODS} for name in _sets(options)},
        "speed": _once(options.out / "speed.json", lambda: speed(repeats, trunk.channels)),
    }
    save_text(json.dumps(result, indent=1) + "\n", options.out / "grouping.json")
    report(result, options.out)


def _cells(method: str, options: Options, trunk: Trunk, cache: CachedFeatures) -> dict[str, Any]:
    """Everything about a method: rates, settings, and for each set a list with a cell for each seed."""
    out, kappas = options.out, torch.from_numpy(trunk.skeleton.kappas)

    def taught(runs: Sequence[Run], name: str, pictures: int) -> dict[Run, Head]:
        return train(runs, cache, pictures, out / name, trunk.stride, trunk.channels, kappas)

    def found(jobs: Mapping[str, Job], name: str, load: Callable[[], LabelledDataset]) -> tuple[LabelledDataset, Any]:
        data = load()
        return data, measure(data, trunk, options.measured_size, out / "pictures" / name, jobs)

    held = partial(found, name="held", load=lambda: load_labelled(options.held, options.held_pictures))
    brief = partial(taught, name=f"rates-{method}.pt", pictures=options.rate_pictures)
    rates = _once(out / f"rates-{method}.json", lambda: choose_rate(method, brief, held))
    runs = [Run(method, seed, rates["best"]) for seed in range(options.seeds)]
    heads = taught(runs, f"{method}.pt", options.pictures)
    chosen = _once(out / f"settings-{method}.json", lambda: choose_settings(method, heads[runs[0]], held))
    jobs: dict[str, Job] = {run.name: (method, heads[run], Settings(**chosen)) for run in runs}

    def measured(name: str, load: Callable[[], LabelledDataset]) -> list[dict[str, Any]]:
        data, by_run = found(jobs, name, load)
        return [summary(by_run[run.name], data, options.measured_size, name != "val") for run in runs]

    cells: dict[str, Any] = {"rates": rates, "settings": chosen}
    for name, load in _sets(options).items():
        cells[name] = _once(out / f"{name}-{method}.json", partial(measured, name, load))
    return cells


def _once(path: Path, make: Callable[[], Any]) -> Any:
    """What `path` holds; made and written there if it is missing."""
    if not path.exists():
        save_text(json.dumps(make(), indent=1) + "\n", path)
        print(f"wrote {path}", flush=True)
    return json.loads(path.read_bytes())


def _sets(options: Options) -> dict[str, Callable[[], LabelledDataset]]:
    sets: dict[str, Callable[[], LabelledDataset]] = {
        "val": lambda: load_labelled(options.val, 4 if options.smoke else None)
    }
    for people in CROWDS if options.crowd_pictures else ():

        def crowd(people: int = people) -> LabelledDataset:
            folder = options.out / "crowds" / str(people)
            many = (people, people)
            synth.run(
                synth.SynthConfig(folder, options.crowd_pictures, 24, 512, people=many, occlusion=0.4, props=0, sheet=0)
            )
            return load_labelled(folder)

        sets[f"crowd-{people}"] = crowd
    return sets


if __name__ == "__main__":
    torch.set_flush_denormal(True)  # of the whole process
    main(tyro.cli(Options, description=__doc__))
