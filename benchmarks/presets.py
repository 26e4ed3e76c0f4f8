"""AP, parameters and time of several networks side by side, as one table.

    python benchmarks/presets.py --data ../shared/data/coco-dev runs/mobile/weights.safetensors@256 runs/lite/...

Each weights file runs in PyTorch, as `votepose evaluate` runs it, at its own input size or at that behind the @; for
their times the networks take turns at each of the demo's pictures. The bundled weights come last.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from precision import measure, time_in_turns

from votepose.data.coco import load_coco
from votepose.evaluation.runner import Model, load_model
from votepose.models.checkpoint import BUNDLED_WEIGHTS

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


def _load(text: str) -> Model:
    file, _, size = text.partition("@")
    return load_model(Path(file), int(size) if size else None)


if __name__ == "__main__":
    main()
