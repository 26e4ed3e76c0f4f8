"""The occlusion benchmark: accuracy by crowd size and by hidden share of people.

    python benchmarks/occlusion.py [--weights W.onnx] [--pictures 40] [--out out/occlusion]

Generates test sets of 1 to 50 people at 0 to 80 % occlusion (`votepose synth`, fixed seed), measures COCO keypoint AP
on each, and the errors of seen and of hidden joints against how much of their person is hidden; writes
docs/occlusion.md, docs/images/occlusion.png and benchmarks/occlusion.json. Existing sets are reused.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

import votepose
from votepose.commands.synth import run
from votepose.data.labelled import load_labelled
from votepose.data.sample import Sample
from votepose.evaluation.coco_metrics import coco_keypoint_metrics
from votepose.evaluation.matching import coco_match, sample_oks_matrix
from votepose.inference.weights import BUNDLED_ONNX
from votepose.poses import Poses
from votepose.predictor import load
from votepose.skeleton import COCO_17
from votepose.synth.config import SynthConfig

PEOPLE = (1, 2, 5, 10, 20, 50)
OCCLUSION = (0.0, 0.2, 0.4, 0.6, 0.8)
BINS = np.array([0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 1.0])  # edges of the hidden share of a person
SIZE = 512  # longest side of the images, in pixels
SEED = 2026
ROOT = Path(__file__).parent.parent
MATCHED = 0.2  # minimum OKS of a skeleton and a labelled person whose joints are compared
MOST = 100  # skeletons per image that count in AP; COCO's 20 would be too few


def main() -> None:
    """Generate the sets, measure, and write page, plot and JSON."""
    options = _options()
    predictor = load(options.weights, score_threshold=0.0)
    cells, joints = [], []
    for people in PEOPLE:
        for occlusion in OCCLUSION:
            folder = _make_set(options.out, people, occlusion, options.pictures)
            cell, found = _measure(folder, predictor)
            cells.append({"people": people, "occlusion": occlusion} | cell)
            joints.append(found)
            print(json.dumps(cells[-1]), flush=True)
    errors = _by_hidden_share(np.concatenate(joints))
    result = {
        "votepose": votepose.__version__,
        "weights": options.weights.name,
        "input_size": predictor.input_size,
        "picture_size": SIZE,
        "seed": SEED,
        "cells": cells,
        "errors": errors,
    }
    (ROOT / "benchmarks" / "occlusion.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    _plot(cells, errors, ROOT / "docs" / "images" / "occlusion.png")
    (ROOT / "docs" / "occlusion.md").write_text(_page(result), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=BUNDLED_ONNX, help="an ONNX file from `votepose export`")
    parser.add_argument(
        "--pictures", type=int, default=40, help="images per set of one person; sets of larger crowds have fewer"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "occlusion", help="folder for the test sets")
    return parser.parse_args()


def _make_set(out: Path, people: int, occlusion: float, pictures: int) -> Path:
    folder = out / f"{people}-people-{round(100 * occlusion)}-hidden"
    count = max(6, round(pictures / people**0.5))
    run(SynthConfig(folder, count, SEED, SIZE, people=(people, people), occlusion=occlusion, props=0.0, sheet=0))
    return folder


def _measure(folder: Path, predictor: votepose.Predictor) -> tuple[dict[str, Any], np.ndarray]:
    """AP of a set, and one row per labelled joint: hidden share of its person, seen, error, found."""
    dataset = load_labelled(folder)
    truth = json.loads((folder / "annotations.json").read_bytes())
    hidden: dict[int, list[float]] = {}
    for annotation in truth["annotations"]:
        if annotation["num_keypoints"]:
            hidden.setdefault(annotation["image_id"], []).append(annotation["hidden"])
    results, rows = [], []
    for sample in dataset.samples:
        poses = predictor(sample.image)
        results += poses.to_coco(sample.image_id)
        rows.append(_joint_errors(sample, poses, np.array(hidden.get(sample.image_id, []))))
    shares = np.concatenate([np.array(values) for values in hidden.values()])
    height = float(np.median(np.concatenate([sample.boxes[:, 3] for sample in dataset.samples])))
    metrics = coco_keypoint_metrics(truth, results, most=MOST)
    cell = {
        "pictures": len(dataset.samples),
        "labelled": len(shares),
        "height": round(height),
        "hidden": round(float(shares.mean()), 3),
        "ap": round(metrics.ap, 3),
        "ap50": round(metrics.ap50, 3),
        "ar": round(metrics.ar, 3),
    }
    return cell, np.concatenate(rows)


def _joint_errors(sample: Sample, poses: Poses, hidden: np.ndarray) -> np.ndarray:
    """(N, 4), one row per labelled joint: hidden share of its person, 1 if seen, error in body sizes (NaN if not
    found), 1 if found.

    The body size is the square root of the box area. Skeletons are matched to people in the order of their scores.
    """
    matrix = sample_oks_matrix(poses.keypoints, sample, COCO_17.kappas)
    partner = {int(person): p for p, person in enumerate(coco_match(matrix, MATCHED)) if person >= 0}
    rows = [np.zeros((0, 4))]
    for t, points in enumerate(sample.keypoints):
        labelled = points[:, 2] > 0
        length = float(np.sqrt(sample.boxes[t, 2:].prod()))
        error = np.full(len(points), np.nan)
        if t in partner:
            error = np.linalg.norm(poses.keypoints[partner[t]] - points[:, :2], axis=1) / length
        share, found = np.full(len(points), hidden[t]), np.full(len(points), t in partner)
        rows.append(np.stack([share, points[:, 2] == 2, error, found], axis=1)[labelled])
    return np.concatenate(rows)


def _by_hidden_share(joints: np.ndarray) -> list[dict[str, Any]]:
    """Per range of the hidden share: people found, and the median errors of seen and hidden joints."""
    found = []
    for low, high in itertools.pairwise(BINS):
        rows = joints[(joints[:, 0] >= low) & (joints[:, 0] < high + (high == 1))]
        entry: dict[str, Any] = {"from": float(low), "to": float(high), "joints": len(rows)}
        for name, seen in (("seen", 1), ("hidden", 0)):
            of = rows[(rows[:, 1] == seen)]
            matched = of[of[:, 3] == 1]
            entry[name] = {
                "joints": len(of),
                "found": round(float(of[:, 3].mean()), 3) if len(of) else None,
                "error": round(float(np.median(matched[:, 2])), 4) if len(matched) else None,
            }
        found.append(entry)
    return found


def _plot(cells: list[dict[str, Any]], errors: list[dict[str, Any]], path: Path) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), constrained_layout=True)
    colours = plt.get_cmap("viridis")(np.linspace(0.0, 0.9, len(PEOPLE)))
    for people, colour in zip(PEOPLE, colours, strict=True):
        of = [cell for cell in cells if cell["people"] == people]
        left.plot([100 * c["hidden"] for c in of], [c["ap"] for c in of], "o-", color=colour, label=f"{people}")
    left.set(xlabel="mean hidden share of people (%)", ylabel="AP", ylim=(0, 1), title="accuracy by crowd size")
    left.legend(title="people")
    middles = [50 * (e["from"] + e["to"]) for e in errors]
    for name, marker in (("seen", "o-"), ("hidden", "s--")):
        right.plot(
            middles,
            [100 * e[name]["error"] if e[name]["error"] is not None else np.nan for e in errors],
            marker,
            label=f"{name} joints",
        )
    right.set(
        xlabel="hidden share of the person (%)",
        ylabel="median error (% of the person's size)",
        title="error of joints of people found",
        ylim=(0, None),
    )
    right.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _page(result: dict[str, Any]) -> str:
    cell = {(c["people"], c["occlusion"]): c for c in result["cells"]}
    asked = " | ".join(f"{round(100 * o)} %" for o in OCCLUSION)
    lines = [f"| people | height, px | {asked} |", "|---" * (len(OCCLUSION) + 2) + "|"]
    for people in PEOPLE:
        row = [f"{cell[people, o]['ap']:.3f}" for o in OCCLUSION]
        height = round(np.median([cell[people, o]["height"] for o in OCCLUSION]))
        lines.append(f"| {people} | {height} | {' | '.join(row)} |")
    shares = [
        "| hidden share of the person | people found | seen joints | hidden joints |",
        "|---|---|---|---|",
    ]
    for e in result["errors"]:
        both = [e[name] for name in ("seen", "hidden")]
        rate = sum(b["joints"] * (b["found"] or 0) for b in both) / max(1, sum(b["joints"] for b in both))
        values = " | ".join("-" if b["error"] is None else f"{100 * b['error']:.1f} %" for b in both)
        share = f"{100 * e['from']:.0f} to {100 * e['to']:.0f} %"
        shares.append(f"| {share} | {100 * rate:.0f} % | {values} |")
    return _PAGE.format(table="\n".join(lines), shares="\n".join(shares), **result)


_PAGE = """# The occlusion benchmark

After this page you know how accuracy falls with crowd size and occlusion, and can measure a model of your own. The
images are [synthetic crowds](synth.md) with exact ground truth.

<!-- not run: half an hour -->
```sh
make occlusion        # or: python benchmarks/occlusion.py --weights mine.onnx
```

Model: {weights} of votepose {votepose}, input {input_size} px; images of {picture_size} px, seed {seed}.
Generated people also look unfamiliar to a model, so compare this AP between models only, not with COCO's.

![AP against the hidden share of people, by crowd size; joint error against the hidden share](images/occlusion.png)

## AP by crowd size and occlusion

COCO keypoint AP, with up to 100 people per image. The columns are the value of `votepose synth --occlusion`; the share
that is actually hidden (see the chart) is lower, since the foremost people are not. A single person is hidden by an
object. People in larger crowds are also smaller (median height of their boxes), which costs as much as their number.

{table}

## Joints by how much of their person is hidden

"Found": matched with a skeleton at an OKS of at least 0.2. Errors are medians over the joints of the people found, in %
of the person's size (square root of the box area).

{shares}
"""


if __name__ == "__main__":
    main()
