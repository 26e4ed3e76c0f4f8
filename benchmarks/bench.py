# ruff: noqa: E402 - threads are set before NumPy is imported
"""`make bench`: speed of grouping compared with other methods, of the pipeline, and of both models.

Prints tables and writes latest.json.

    python benchmarks/bench.py [--repeats 15] [--seconds 60] [--soak 10000] [--out benchmarks/latest.json]

Needs the dev and train extras and scipy, psutil: the `lite` preset is exported with random weights, for its speed.
"""

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # each grouping method uses one thread; onnxruntime has its own threads

import argparse
import json
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import crowds
import numpy as np
import pipeline

import models
from votepose import __version__
from votepose.io.files import save_text
from votepose.predictor import load

HERE = Path(__file__).parent
PICTURES = sorted((HERE.parent / "examples").glob("*.jpg"))
LITE_SIZE = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15, help="repetitions of each timing; medians are reported")
    parser.add_argument("--seconds", type=float, default=60, help="duration of the throughput measurement")
    parser.add_argument("--soak", type=int, default=0, metavar="N", help="also run N images and record the memory")
    parser.add_argument("--weights", type=Path, help="an ONNX file from votepose export (default: the bundled model)")
    parser.add_argument("--against", default="a316c03", metavar="COMMIT", help="earlier build to compare with")
    parser.add_argument("--out", type=Path, default=HERE / "latest.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lite = _export_lite(Path(folder))
        weights = options.weights or _export_bundled(Path(folder))
        result = _measure(options, weights, lite)
    save_text(json.dumps(result, indent=1) + "\n", options.out)
    _print(result)


def _measure(options: argparse.Namespace, weights: Path, lite: Path) -> dict[str, Any]:
    cores = os.cpu_count() or 1
    load_before = os.getloadavg()[0]
    groupings = crowds.measure(options.repeats)
    split = pipeline.split(load(weights), PICTURES, max(3, options.repeats // 3))
    runs = {
        f"lite {LITE_SIZE}, {cores} workers of 1 thread": (load(lite, input_size=LITE_SIZE, threads=1), cores),
        f"lite {LITE_SIZE}, 1 worker of {cores} threads": (load(lite, input_size=LITE_SIZE, threads=cores), 1),
        f"bundled, {cores} workers of 1 thread": (load(weights, threads=1), cores),
        f"bundled, 1 worker of {cores} threads": (load(weights, threads=cores), 1),
    }
    speeds = pipeline.throughput(runs, PICTURES, options.seconds)
    ours, least = groupings["ms"].pop(crowds.OURS), groupings["best"][crowds.OURS]
    result = {
        "grouping_ms": ours,
        "rivals_ms": groupings["ms"],
        "people_found": groupings["found"],
        "network_ms": split["median"]["network"],
        "grouping_share_at_20": round(least["20"] / split["best"]["network"], 4),
        "grouping_200_over_2": round(least["200"] / least["2"], 2),
        "grouping_best_ms": least,
        "split_ms": split,
        "images_per_second": speeds[next(iter(runs))]["images_per_second"],
        "throughput": speeds,
        "models": models.measure(max(2, options.repeats // 5), options.against),
        "host": {**_host(), "load_average": [round(load_before, 2), round(os.getloadavg()[0], 2)]},
    }
    if options.soak:
        print(f"soak: {options.soak} images")
        result["soak"] = pipeline.soak(runs[next(iter(runs))][0], PICTURES, options.soak, cores)
    return result


def _export_lite(folder: Path) -> Path:
    """The `lite` preset with random weights: as fast as a trained network, but it finds no people."""
    import torch

    from votepose.models.checkpoint import Metadata, save_weights
    from votepose.models.posenet import PoseNet
    from votepose.models.presets import preset
    from votepose.skeleton import COCO_17

    torch.manual_seed(0)
    chosen = preset("lite")
    save_weights(folder / "lite.safetensors", PoseNet(chosen.network), Metadata.of("lite", chosen, COCO_17))
    return _export(folder / "lite.safetensors", folder / "lite.onnx")


def _export_bundled(folder: Path) -> Path:
    from votepose.inference.weights import BUNDLED_SAFETENSORS

    return _export(BUNDLED_SAFETENSORS, folder / "bundled.onnx")


def _export(weights: Path, out: Path) -> Path:
    from votepose.commands.export import ExportConfig, run

    run(ExportConfig(weights, out))
    return out


def _host() -> dict[str, Any]:
    from votepose.inference.runtime import import_onnxruntime

    names = [line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": import_onnxruntime().__version__,
        "votepose": __version__,
    }


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _print(result: dict[str, Any]) -> None:
    rows = {crowds.OURS: result["grouping_ms"], **result["rivals_ms"]}
    print("\ngrouping alone, median ms (people found)")
    print(f"| people | {' | '.join(rows)} |\n|{'---|' * (len(rows) + 1)}")
    for count in result["grouping_ms"]:
        cells = [f"{times[count]:.2f} ({result['people_found'][name][count]})" for name, times in rows.items()]
        print(f"| {count} | {' | '.join(cells)} |")
    print(f"\nsplit, ms per image: {result['split_ms']}")
    print(
        f"best times: grouping / network at 20 people: {100 * result['grouping_share_at_20']:.2f} %; "
        f"200 people / 2 people: {result['grouping_200_over_2']}"
    )
    for name, speed in result["throughput"].items():
        print(f"{name}: {speed}")
    for name, one in result["models"]["models"].items():
        print(f"{name}: {one}")
    if "soak" in result:
        print(f"memory: {result['soak']}")
    print(result["host"])


if __name__ == "__main__":
    sys.exit(main())
