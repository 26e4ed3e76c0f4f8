"""What more pictures bring: the second look taught anew on shares of real and of generated pictures.

    python benchmarks/scaling.py --real DIR --generated DIR --val ../shared/data/coco-dev [--out out/scaling]
    python benchmarks/scaling.py ... --only real-10 real-30      # teach these alone, say beside another process

`--real` and `--generated` are folders of crops (`votepose train --teach looks --crops DIR`), of which a share is the
first so many files. Everything but the second look is the bundled weights'. Each is taught as long as the others, from
nothing or, after generated pictures, from what was learnt there; what was taught is not taught again. At the end all
are measured together, on votes that are cast once a picture: benchmarks/scaling.json and docs/images/scaling.png.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import looks
import matplotlib
from PIL import Image

from votepose.data.coco import load_coco

ROOT = Path(__file__).parent.parent
SHARES = {"real": (0.1, 0.3, 1.0), "generated": (1 / 16, 1.0)}


@dataclass(frozen=True)
class Run:
    """One teaching: on a share of the crops of a kind, from nothing or from the run named `start`."""

    kind: str
    share: float
    start: str | None = None

    @property
    def name(self) -> str:
        before = f"{self.start.rpartition('-')[0]}-then-" if self.start else ""
        return f"{before}{self.kind}-{round(100 * self.share)}"


RUNS = [Run(kind, share) for kind, shares in SHARES.items() for share in shares]
RUNS += [Run("real", share, "generated-100") for share in SHARES["real"]]
RUNS += [Run("real", 1.0, "real-100")]  # as long as those after generated pictures


def main() -> None:
    """Teach what is not yet taught, measure, write and draw."""
    options = _options()
    for run in RUNS:
        if not options.only or run.name in options.only:
            _teach(run, options)
    if not options.only:
        result = {"steps": options.steps, "batch": options.batch_size, "looks": _measured(options)}
        (ROOT / "benchmarks" / "scaling.json").write_text(json.dumps(result, indent=1) + "\n")
        _plot(result["looks"], ROOT / "docs" / "images" / "scaling.png")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, required=True, help="crops of real pictures")
    parser.add_argument("--generated", type=Path, required=True, help="crops of pictures of `votepose synth`")
    parser.add_argument("--val", type=Path, required=True, help="pictures in COCO format to measure on")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "scaling", help="where the weights go")
    parser.add_argument("--only", nargs="+", choices=[run.name for run in RUNS], help="teach these, measure nothing")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch-size", type=int, default=48, help="people a step")
    return parser.parse_args()


def _teach(run: Run, options: argparse.Namespace) -> None:
    crops = _share(getattr(options, run.kind), run.share, options.out / "crops" / f"{run.kind}-{run.share:.4f}")
    start = options.out / run.start / "weights.safetensors" if run.start else looks.knowing_nothing(options.out)
    if not start.exists():
        raise SystemExit(f"{run.name} starts from {run.start}: teach that one first")
    looks.teach(options.out / run.name, crops, start, options.val, options.steps, options.batch_size)


def _share(crops: Path, share: float, folder: Path) -> Path:
    """A folder of links to the first files of `crops`."""
    people = sorted(crops.glob("people-*.npy"))
    if not people:
        raise SystemExit(f"{crops}: holds no crops; cut them with `votepose train --teach looks --crops`")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in (crops / "ranges.json", *people[: math.ceil(share * len(people))]):
        os.symlink(path.resolve(), folder / path.name)
    return folder


def _measured(options: argparse.Namespace) -> list[dict[str, object]]:
    """A row each: the votes alone, every run, and the bundled look."""
    taught = {run.name: looks.look_of(options.out / run.name) for run in RUNS}
    metrics = looks.measured({"votes alone": None, **taught}, load_coco(options.val))
    rows = {run.name: asdict(run) for run in RUNS}
    return [{"name": name} | rows.get(name, {}) | asdict(found) for name, found in metrics.items()]


def _plot(rows: list[dict[str, object]], path: Path) -> None:
    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5.2, 3.2), dpi=80)
    named = {row["name"]: row for row in rows}
    for start, label, colour in (
        (None, "from nothing", "#be5a28"),
        ("generated-100", "after as many generated", "#0b6e5f"),
    ):
        points = [row for row in rows if row.get("kind") == "real" and row["start"] == start]
        axes.plot([100 * p["share"] for p in points], [p["ap"] for p in points], "o-", color=colour, label=label)
    axes.plot([100], [named["real-then-real-100"]["ap"]], "D", color="#be5a28", label="from nothing, twice as long")
    for name, label, style in (("votes alone", "votes alone", ":"), ("bundled", "bundled weights", "--")):
        axes.axhline(named[name]["ap"], color="#6b7078", linestyle=style, label=label, linewidth=1)
    axes.set(
        xscale="log",
        xlabel="share of the real pictures, %",
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
