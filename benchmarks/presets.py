"""AP, parameters and time of several networks side by side, as one table.

    python benchmarks/presets.py --data ../shared/data/coco-dev runs/mobile/weights.safetensors@256 runs/lite/...

Each weights file runs in PyTorch, as `votepose evaluate` runs it, at its own input size or at that behind the @; for
their times the networks take turns at each of the demo's pictures. The bundled weights come last.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from bench import PICTURES

from votepose.data.coco import CocoDataset, load_coco
from votepose.evaluate import Model, find_all, load_model, picture_results
from votepose.metrics import coco_keypoint_metrics
from votepose.sources import read_image
from votepose.weights_file import BUNDLED_WEIGHTS

_METRICS = ("ap", "ap50", "ap75", "ap_m", "ap_l", "ar")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="*", help="safetensors, with @SIZE for another input size than their own")
    parser.add_argument("--data", type=Path, required=True, help="pictures in COCO format")
    parser.add_argument("--limit", type=int, help="only the first so many pictures")
    options = parser.parse_args()
    data = load_coco(options.data, options.limit)
    models = [_load(text) for text in [*options.weights, str(BUNDLED_WEIGHTS)]]
    rows = []
    for model in models:
        what = f"{model.preset} | {model.input_size} | {model.parameters / 1e6:.1f}"
        rows.append(f"| {what} | {_measured(model, data)} |")
        print(rows[-1], flush=True)
    times = _times_in_turns(models)
    print("| preset | input | parameters, M | AP | AP50 | AP75 | AP-M | AP-L | AR | ms | times the fastest |")
    print("|---" * 11 + "|")
    for row, spent in zip(rows, times, strict=True):
        print(f"{row} {spent:.0f} | {spent / min(times):.1f} |")


def _load(text: str) -> Model:
    file, _, size = text.partition("@")
    return load_model(Path(file), int(size) if size else None)


def _measured(model: Model, data: CocoDataset) -> str:
    """Cells of COCO keypoint metrics."""
    assert data.annotations is not None
    results = [
        entry
        for sample, poses in find_all(model.find, data.samples, progress=False)
        for entry in picture_results(poses, sample, data.category_id)
    ]
    metrics = coco_keypoint_metrics(data.annotations, results, [sample.image_id for sample in data.samples])
    return " | ".join(f"{getattr(metrics, name):.3f}" for name in _METRICS)


def _times_in_turns(models: list[Model], rounds: int = 5) -> list[float]:
    """Median milliseconds a picture."""
    times: list[list[float]] = [[] for _ in models]
    for picture in [read_image(path) for path in PICTURES] * rounds:
        for model, spent in zip(models, times, strict=True):
            started = time.perf_counter()
            model.find(picture)
            spent.append(1000 * (time.perf_counter() - started))
    return [float(np.median(spent)) for spent in times]


if __name__ == "__main__":
    main()
