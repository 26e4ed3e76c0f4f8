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
from votepose.data.coco import CocoDataset, load_coco
from votepose.io.files import save_text

ROOT = Path(__file__).parents[2]
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

    def choice(self) -> CocoDataset:
        """The pictures of --held that rates and settings are chosen on."""
        return load_coco(self.held, self.held_pictures)


def main(options: Options) -> None:
    torch.set_flush_denormal(True)
    if options.smoke:
        options = replace(options, size=64, measured_size=64, cached=16, pictures=32, rate_pictures=16)
        options = replace(options, held_pictures=2, seeds=1, crowd_pictures=0)
    out, size, trunk = options.out, options.measured_size, Trunk(options.weights)
    cache = CachedFeatures(out / "features", options.data, trunk, options.size, options.cached)
    kappas = torch.from_numpy(trunk.skeleton.kappas)
    rates, heads = dict[str, dict[str, Any]](), dict[Run, Head]()

    def taught(runs: Sequence[Run], path: Path, pictures: int) -> dict[Run, Head]:
        return train(runs, cache, pictures, path, trunk.stride, trunk.channels, kappas)

    for method in options.only or METHODS:
        brief = partial(taught, path=out / f"rates-{method}.pt", pictures=options.rate_pictures)
        chosen_rate = partial(choose_rate, method, brief, options.choice, trunk, size)
        rates[method] = _once(out / f"rates-{method}.json", chosen_rate)
        runs = [Run(method, seed, rates[method]["best"]) for seed in range(options.seeds)]
        heads |= taught(runs, out / f"{method}.pt", options.pictures)
    if options.only:
        return
    first = {run.method: head for run, head in heads.items() if run.seed == 0}
    chosen = _once(out / "settings.json", partial(choose_settings, first, options.choice, trunk, size))
    jobs = {run.name: (run.method, head, Settings(**chosen[run.method])) for run, head in heads.items()}
    sets: dict[str, Any] = {}
    for name, load in _sets(options).items():
        by_run = _once(out / f"{name}.json", partial(_measured, load, trunk, size, jobs, crowded=name != "val"))
        sets[name] = {m: [by_run[run.name] for run in heads if run.method == m] for m in METHODS}
    result = {
        "options": {k: v for k, v in asdict(options).items() if isinstance(v, int)},
        "heads": {method: cost(method, trunk.channels) for method in METHODS},
        "rates": rates,
        "settings": chosen,
        "sets": sets,
        "speed": _once(out / "speed.json", lambda: speed(1 if options.smoke else 5, trunk.channels)),
    }
    save_text(json.dumps(result, indent=1) + "\n", out / "grouping.json")
    report(result, out)


def _measured(
    load: Callable[[], CocoDataset], trunk: Trunk, size: int, jobs: Mapping[str, Job], crowded: bool
) -> dict[str, Any]:
    data = load()
    found = measure(data, trunk, size, jobs)
    return {name: summary(found[name], data, size, crowded) for name in jobs}


def _once(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `path` holds; made and written there if it is missing."""
    if not path.exists():
        save_text(json.dumps(make(), indent=1) + "\n", path)
        print(f"wrote {path}", flush=True)
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


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
