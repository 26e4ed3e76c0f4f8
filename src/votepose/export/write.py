"""Writes an estimator to one file, which appears only after its output was found to match PyTorch's."""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from votepose import __version__
from votepose.export.backends import Run, check_same, run_onnx, run_torch, write_openvino, write_torch
from votepose.export.onnx_graph import save, trace
from votepose.export.quantize import halve, pack
from votepose.models.checkpoint import Metadata
from votepose.models.estimator import PoseEstimator

Precision = Literal["float32", "float16", "int8"]
Format = Literal["onnx", "openvino", "torch"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2"}


def write_export(estimator: PoseEstimator, metadata: Metadata, out: Path, form: Format, precision: Precision) -> None:
    """Write network, grouping and refiner to `out`, and OpenVINO's weights beside it.

    Args:
        estimator: the estimator, in eval mode.
        metadata: metadata of its weights file.
        out: the file; its suffix must be that of the format in `SUFFIXES`.
        form: onnx, openvino or torch (torch.export's program).
        precision: precision of the stored weights.

    Raises:
        VoteposeError: if the written file's output differs, or a package is missing.
        ValueError: if the estimator has a focus and the format is not onnx.
    """
    if form != "onnx" and estimator.focuses:
        raise ValueError("other runtimes prepare for each shape, and the focus has many: export without it")
    about = _about(estimator, metadata, precision)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as folder:
        written = Path(folder) / out.name
        if form == "torch":
            check_same(write_torch(estimator, written, about), run_torch(estimator), out)
        else:
            run = _write_graph(estimator, about, written, form, precision)
            batch = 1 if estimator.focuses else 3
            check_same(run, run_torch(estimator), out, batch, quantized=precision == "int8")
        written.chmod(0o644)
        parts = sorted(path for path in Path(folder).iterdir() if path.is_file())
        for path in parts:  # .bin before .xml, which refers to it
            os.replace(path, out.with_name(path.name))


def size(out: Path) -> int:
    """Size in bytes of the file and of OpenVINO's weights beside it."""
    return sum(path.stat().st_size for path in (out, out.with_suffix(".bin")) if path == out or out.suffix == ".xml")


def _about(estimator: PoseEstimator, metadata: Metadata, precision: Precision) -> dict[str, Any]:
    """The metadata of the exported file."""
    return {
        "preset": metadata.preset,
        "parameters": estimator.network.parameter_count,
        "input_size": metadata.input_size,
        "stride": estimator.network.config.stride,
        "levels": estimator.levels,
        "focus": estimator.focuses,
        "presence_threshold": estimator.config.presence_threshold,
        "skeleton": metadata.skeleton.to_coco_category(),
        "grouping": asdict(estimator.config),
        "calibration": estimator.calibration.to_dict(),
        "precision": precision,
        "version": __version__,
    }


def _write_graph(
    estimator: PoseEstimator, about: dict[str, Any], path: Path, form: Format, precision: Precision
) -> Run:
    """Write `path` as ONNX or OpenVINO."""
    work = path.parent / "work"
    work.mkdir()
    model = trace(estimator, work / "traced.onnx")
    if precision == "int8":
        pack(model)
    if precision != "float32" and form == "onnx":  # OpenVINO converts to fp16 itself
        halve(model)
    if form == "onnx":
        save(model, about, path)
        return run_onnx(path)
    save(model, about, work / "graph.onnx")
    return write_openvino(work / "graph.onnx", path, about, half=precision != "float32")
