"""Measures the value of more images: trains the pose refiner on shares of real and of generated images.

    python research/scaling.py --real DIR --generated DIR --val ../shared/data/coco-dev [--out out/scaling]
    python research/scaling.py ... --only real-10 real-30      # train only these, for example beside another process

`--real` and `--generated` are folders of crops (`votepose train --stage refiner --crops DIR`); a share is the first N
files. Everything but the refiner comes from the bundled weights. All runs have the same number of steps and start
untrained or, after generated images, from the weights learnt there. Finished runs are not repeated. At the end all are
measured together, with the votes of each image computed once: research/scaling.json and research/scaling.png.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib
import refiner_runs
from PIL import Image

from votepose.data.labelled import load_labelled

HERE = Path(__file__).parent
ROOT = HERE.parent
SHARES = {"real": (0.1, 0.3, 1.0), "generated": (1 / 16, 1.0)}


@dataclass(frozen=True)
class Run:
    """One training: on a share of the crops of a kind, from an untrained refiner or from the run named `start`."""

    kind: str
    share: float
    start: str | None = None

    @property
    def name(self) -> str:
        before = f"{self.start.rpartition('-')[0]}-then-" if self.start else ""
        return f"{before}{self.kind}-{round(100 * self.share)}"


RUNS = [Run(kind, share) for kind, shares in SHARES.items() for share in shares]
RUNS += [Run("real", share, "generated-100") for share in SHARES["real"]]
RUNS += [Run("real", 1.0, "real-100")]  # as long as the runs after generated images


def main() -> None:
    """Train what is missing, measure, write and draw."""
    options = _options()
    for run in RUNS:
        if not options.only or run.name in options.only:
            _train(run, options)
    if not options.only:
        result = {"steps": options.steps, "batch": options.batch_size, "refiners": _measured(options)}
        (HERE / "scaling.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        _plot(result["refiners"], HERE / "scaling.png")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, required=True, help="crops of real images")
    parser.add_argument("--generated", type=Path, required=True, help="crops of images from `votepose synth`")
    parser.add_argument("--val", type=Path, required=True, help="images in COCO format to measure on")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "scaling", help="folder for the weights")
    parser.add_argument("--only", nargs="+", choices=[run.name for run in RUNS], help="train these, measure nothing")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch-size", type=int, default=48, help="people per step")
    return parser.parse_args()


def _train(run: Run, options: argparse.Namespace) -> None:
    crops = _share(getattr(options, run.kind), run.share, options.out / "crops" / f"{run.kind}-{run.share:.4f}")
    start = (
        options.out / run.start / "weights.safetensors" if run.start else refiner_runs.untrained_weights(options.out)
    )
    if not start.exists():
        raise SystemExit(f"{run.name} starts from {run.start}: train that first")
    refiner_runs.train_refiner(options.out / run.name, crops, start, options.val, options.steps, options.batch_size)


def _share(crops: Path, share: float, folder: Path) -> Path:
    """A folder of links to the first `share` of the files of `crops`."""
    people = sorted(crops.glob("people-*.npy"))
    if not people:
        raise SystemExit(f"{crops}: holds no crops; make them with `votepose train --stage refiner --crops`")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in (crops / "ranges.json", crops / "settings.json", *people[: math.ceil(share * len(people))]):
        os.symlink(path.resolve(), folder / path.name)
    return folder


def _measured(options: argparse.Namespace) -> list[dict[str, object]]:
    """One row for the votes alone, for every run, and for the bundled refiner."""
    trained = {run.name: refiner_runs.refiner_of(options.out / run.name) for run in RUNS}
    metrics = refiner_runs.measured({"votes alone": None, **trained}, load_labelled(options.val))
    rows = {run.name: asdict(run) for run in RUNS}
    return [{"name": name} | rows.get(name, {}) | asdict(found) for name, found in metrics.items()]


def _plot(rows: list[dict[str, object]], path: Path) -> None:
    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5.2, 3.2), dpi=80)
    named = {row["name"]: row for row in rows}
    for start, label, colour in (
        (None, "untrained", "#be5a28"),
        ("generated-100", "after as many steps on generated images", "#0b6e5f"),
    ):
        points = [row for row in rows if row.get("kind") == "real" and row["start"] == start]
        axes.plot([100 * p["share"] for p in points], [p["ap"] for p in points], "o-", color=colour, label=label)
    axes.plot([100], [named["real-then-real-100"]["ap"]], "D", color="#be5a28", label="untrained, twice as long")
    for name, label, style in (("votes alone", "votes alone", ":"), ("bundled", "bundled weights", "--")):
        axes.axhline(named[name]["ap"], color="#6b7078", linestyle=style, label=label, linewidth=1)
    axes.set(
        xscale="log",
        xlabel="share of the real images, %",
        ylabel="AP",
        xticks=[10, 30, 100],
        xticklabels=["10", "30", "100"],
    )
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=8, loc=(0.03, 0.5))
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)
    Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=32).save(path, optimize=True)


if __name__ == "__main__":
    main()
