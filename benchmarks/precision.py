"""AP, size and time of the exported variants, and of int8 convolutions, which for this are not offered.

    python benchmarks/precision.py --data ../shared/data/coco-dev [--calibrate FOLDER] [--limit 100]

Each variant is written as `votepose export` writes it and measured as `votepose evaluate` does, through onnxruntime on
the CPU. With --calibrate, a folder of pictures (not of --data), convolutions are also quantized statically.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from bench import PICTURES

from votepose.commands.export import ExportConfig, run
from votepose.data.coco import CocoDataset, load_coco
from votepose.evaluation.coco_metrics import KeypointMetrics, coco_keypoint_metrics
from votepose.evaluation.runner import find_all, picture_results
from votepose.export.onnx_graph import INPUT_NAMES, save
from votepose.inference.flip_tta import Finder
from votepose.io.images import read_image
from votepose.io.inputs import find_images
from votepose.letterbox import Letterbox
from votepose.models.checkpoint import BUNDLED_WEIGHTS
from votepose.predictor import load

_HEADS = ("stem", "laterals", "smooth", "center", "box_", "kpt_")  # of MoveNet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=BUNDLED_WEIGHTS)
    parser.add_argument("--calibrate", help="folder of pictures for static quantization")
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    data = load_coco(options.data, options.limit)
    print("| variant | MB | AP | AP50 | AP75 |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        written: dict[str, Finder] = {}
        for name, path in variants(Path(folder), options.weights, options.calibrate):
            written[name] = load(path)
            found = measure(load(path, score_threshold=0.0), data)
            cells = " | ".join(f"{value:.3f}" for value in (found.ap, found.ap50, found.ap75))
            print(f"| {name} | {path.stat().st_size / 1e6:.1f} | {cells} |", flush=True)
        for name, times in time_in_turns(written).items():
            print(f"{name}: median {np.median(times):.0f} ms a picture, least {min(times):.0f}")


def time_in_turns(finders: dict[str, Finder], rounds: int = 5) -> dict[str, list[float]]:
    """{name: milliseconds a picture}, the finders taking turns at each of the demo's pictures."""
    times: dict[str, list[float]] = {name: [] for name in finders}
    for picture in [read_image(path) for path in PICTURES] * rounds:
        for name, find in finders.items():
            started = time.perf_counter()
            find(picture)
            times[name].append(1000 * (time.perf_counter() - started))
    return times


def variants(folder: Path, weights: Path, calibrate: str | None) -> Iterator[tuple[str, Path]]:
    for precision in ("float32", "float16", "int8"):
        path = folder / f"{precision}.onnx"
        run(ExportConfig(weights, path, precision=precision))
        yield precision, path
    if calibrate:
        named = folder / "named.onnx"
        _trace(weights, named)
        metadata = dict(load(folder / "float32.onnx").metadata)
        for what, left_out in (("all", ()), ("all but stem, pyramid and heads", _HEADS)):
            path = folder / f"static{len(left_out)}.onnx"
            _quantize_static(named, path, calibrate, int(metadata["input_size"]), left_out)
            save(onnx.load(path), metadata, path)
            yield f"static int8 convolutions, {what}", path


def measure(find: Finder, data: CocoDataset) -> KeypointMetrics:
    """COCO AP of what finds people of any score, on pictures."""
    assert data.annotations is not None
    found = find_all(find, data.samples, progress=False)
    results = [entry for sample, poses in found for entry in picture_results(poses, sample, data.category_id)]
    return coco_keypoint_metrics(data.annotations, results, [sample.image_id for sample in data.samples])


def _trace(weights: Path, path: Path) -> None:
    from votepose.export.onnx_graph import trace
    from votepose.models.loading import load_estimator

    trace(load_estimator(weights)[0], path)


def _quantize_static(source: Path, path: Path, pictures: str, input_size: int, left_out: tuple[str, ...]) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.feeds = map(partial(_feeds, input_size=input_size), find_images([pictures])[:32])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.feeds, None)

    convolutions = [node.name for node in onnx.load(source).graph.node if node.op_type == "Conv"]
    quantize_static(
        source,
        path,
        Reader(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
        per_channel=True,
        nodes_to_quantize=[name for name in convolutions if not any(part in name for part in left_out)],
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def _feeds(path: Path, input_size: int) -> dict[str, np.ndarray]:
    pixels = read_image(path)
    images = Letterbox.fit(pixels.shape[1], pixels.shape[0], input_size).apply(pixels)[None]
    return dict(zip(INPUT_NAMES, (images, np.array(0.35, np.float32)), strict=True))


if __name__ == "__main__":
    main()
