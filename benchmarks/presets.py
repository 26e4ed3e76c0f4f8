"""Compares AP, parameters and time of several networks in one table.

    python benchmarks/presets.py --data ../shared/data/coco-dev runs/mobile/weights.safetensors@256 runs/lite/...

Each weights file runs as `votepose evaluate` runs it (PyTorch, or onnxruntime for an ONNX file), at its own input size
or at the size after the @. The networks are timed in turns on each image of examples/. The bundled weights come last.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from votepose.data.labelled import LabelledDataset, load_labelled
from votepose.evaluation.coco_metrics import KeypointMetrics, metrics_of
from votepose.evaluation.loading import load_model
from votepose.evaluation.runner import Model, find_all
from votepose.inference.flip_tta import Finder
from votepose.inference.weights import BUNDLED_SAFETENSORS
from votepose.io.images import read_image

PICTURES = sorted((Path(__file__).parents[1] / "examples").glob("*.jpg"))
_METRICS = ("ap", "ap50", "ap75", "ap_m", "ap_l", "ar")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="*", help="weights files, each with an optional @SIZE (input size in pixels)")
    parser.add_argument("--data", type=Path, required=True, help="images in COCO format")
    parser.add_argument("--limit", type=int, help="use only the first N images", metavar="N")
    options = parser.parse_args()
    data = load_labelled(options.data, options.limit)
    models = [_load(text) for text in [*options.weights, str(BUNDLED_SAFETENSORS)]]
    rows = []
    for model in models:
        found = measure(model.find, data)
        cells = [model.preset, str(model.input_size), f"{model.parameters / 1e6:.1f}"]
        rows.append(" | ".join(["", *cells, *(f"{getattr(found, name):.3f}" for name in _METRICS), ""]).strip())
        print(rows[-1], flush=True)
    taken = time_in_turns({str(number): model.find for number, model in enumerate(models)})
    times = [float(np.median(spent)) for spent in taken.values()]
    print("| preset | input | parameters, M | AP | AP50 | AP75 | AP-M | AP-L | AR | ms | times the fastest |")
    print("|---" * 11 + "|")
    for row, spent in zip(rows, times, strict=True):
        print(f"{row} {spent:.0f} | {spent / min(times):.1f} |")


def measure(find: Finder, data: LabelledDataset) -> KeypointMetrics:
    """COCO AP of the people that `find` returns, with any score."""
    assert data.labels is not None
    return metrics_of(data.labels, find_all(find, data.samples, progress=False))


def time_in_turns(finders: dict[str, Finder], rounds: int = 5) -> dict[str, list[float]]:
    """{name: milliseconds per image}; the finders take turns on each image of examples/."""
    times: dict[str, list[float]] = {name: [] for name in finders}
    for picture in [read_image(path) for path in PICTURES] * rounds:
        for name, find in finders.items():
            started = time.perf_counter()
            find(picture)
            times[name].append(1000 * (time.perf_counter() - started))
    return times


def _load(text: str) -> Model:
    file, _, size = text.partition("@")
    return load_model(Path(file), int(size) if size else None)


if __name__ == "__main__":
    main()
