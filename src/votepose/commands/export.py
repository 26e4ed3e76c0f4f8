"""`votepose export`: weights -> one file that holds network, grouping and second look: image in, people out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from votepose import __version__
from votepose.errors import VoteposeError
from votepose.export.backends import Run, check_same, run_onnx, run_torch, write_openvino, write_torch
from votepose.export.onnx_graph import INPUT_NAMES, save, trace
from votepose.export.quantize import halve, pack
from votepose.export.rounding import second_moments
from votepose.io.images import read_image
from votepose.io.inputs import find_images
from votepose.letterbox import Letterbox
from votepose.models.checkpoint import named
from votepose.models.estimator import PoseEstimator
from votepose.models.loading import load_estimator
from votepose.utils.progress import track

Precision = Literal["float32", "float16", "int8"]
Format = Literal["onnx", "openvino", "torch"]
_CANDIDATES_FROM = 0.1  # presence of cells whose votes weights are rounded by
_SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2"}


@dataclass(frozen=True)
class ExportConfig:
    """Write network, grouping and second look into one file: image in, people out. It is held against PyTorch."""

    weights: Path
    """safetensors written by `votepose train`; `bundled` are the package's."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """The file; by default votepose.onnx, votepose.xml (and .bin) or votepose.pt2."""
    format: Format = "onnx"
    """onnx: what `votepose predict` runs. openvino: the same graph for OpenVINO. torch: torch.export's program."""
    precision: Precision | None = None
    """float16 (default, but for torch): weights are stored in half precision; int8 (onnx only): the large ones in 8
    bits, with a scale an output channel. Arithmetic is float32 in all."""
    pictures: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATH ...")] = ()
    """Images or folders with people, ten or so, for int8: weights are rounded to coarser steps, so that their errors
    cancel on these. The file is as large; a wheel or zip of it is a third smaller."""
    bits: float = 3.2
    """With --pictures: the information that a weight keeps, about; the backbone's keep 3 more, the witness' 1.
    Fewer are smaller."""
    presence_threshold: float | None = None
    """Default of the file, in [0, 1]; by default the preset's."""


def run(config: ExportConfig) -> None:
    """Write `config.out`; it appears only when it was found to answer as PyTorch does.

    Raises:
        VoteposeError: if the weights cannot be read, an option will not do, or the written file answers otherwise.
    """
    out = _checked_out(config)
    precision = config.precision or ("float32" if config.format == "torch" else "float16")
    estimator, skeleton, about = load_estimator(named(config.weights))
    if config.presence_threshold is not None:
        estimator.config = replace(estimator.config, presence_threshold=config.presence_threshold)
    metadata = {
        "preset": about["preset"],
        "input_size": about["input_size"],
        "stride": estimator.network.config.stride,
        "levels": estimator.levels,
        "presence_threshold": estimator.config.presence_threshold,
        "skeleton": skeleton.to_coco_category(),
        "grouping": asdict(estimator.config),
        "calibration": estimator.calibration.to_dict(),
        "precision": precision,
        "version": __version__,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as folder:
        written = Path(folder) / out.name
        if config.format == "torch":
            check_same(write_torch(estimator, written, metadata), run_torch(estimator), out)
        else:
            _write_graph(config, estimator, precision, metadata, written)
        written.chmod(0o644)
        parts = sorted(path for path in Path(folder).iterdir() if path.is_file())
        for path in parts:  # .bin before .xml: what names the other comes last
            os.replace(path, out.with_name(path.name))
    print(f"{out}: {_size(out) / 1e6:.1f} MB, {precision}, preset {about['preset']}, input {about['input_size']}")


def _write_graph(
    config: ExportConfig, estimator: PoseEstimator, precision: Precision, metadata: dict[str, Any], path: Path
) -> None:
    """`path` as ONNX or OpenVINO, checked."""
    work = path.parent / "work"
    work.mkdir()
    model = trace(estimator, work / "traced.onnx")
    if precision == "int8" and config.pictures:
        pack(model, second_moments(model, _feeds(config.pictures, metadata["input_size"])), config.bits)
    elif precision == "int8":
        pack(model)
    if precision != "float32" and config.format == "onnx":  # OpenVINO stores its own halves
        halve(model)
    onnx_path = path if config.format == "onnx" else work / "graph.onnx"
    save(model, metadata, onnx_path)
    answer: Run = (
        run_onnx(path)
        if config.format == "onnx"
        else write_openvino(onnx_path, path, metadata, half=precision != "float32")
    )
    check_same(answer, run_torch(estimator), _out(config), quantized=precision == "int8")


def _feeds(pictures: Sequence[str], size: int) -> Iterator[dict[str, np.ndarray]]:
    """The graph's inputs for each picture and its mirror image, with more votes than usual."""
    for path in track(find_images(pictures), "looking at pictures"):
        pixels = read_image(path)
        box = Letterbox.fit(pixels.shape[1], pixels.shape[0], size)
        for view in (pixels, np.ascontiguousarray(pixels[:, ::-1])):
            yield dict(zip(INPUT_NAMES, (box.apply(view)[None], np.array(_CANDIDATES_FROM, np.float32)), strict=True))


def _out(config: ExportConfig) -> Path:
    """Where the file goes."""
    return config.out or Path("votepose").with_suffix(_SUFFIXES[config.format])


def _checked_out(config: ExportConfig) -> Path:
    out = _out(config)
    if out.suffix != _SUFFIXES[config.format]:
        wanted = _SUFFIXES[config.format]
        raise VoteposeError(f"{out}: a file of --format {config.format} should end in {wanted}")
    if out.is_dir():
        raise VoteposeError(f"{out}: is a folder; name a file for --out")
    if config.format == "torch" and config.precision not in (None, "float32"):
        raise VoteposeError(f"--format torch is written in float32 only, not in {config.precision}")
    if config.format == "openvino" and config.precision == "int8":
        raise VoteposeError("--format openvino is float32 or float16; for int8, give that to OpenVINO's nncf")
    if config.pictures and config.precision != "int8":
        raise VoteposeError("--pictures is for --precision int8")
    if config.pictures and not find_images(config.pictures):
        raise VoteposeError(f"{config.pictures[0]}: holds videos only; name pictures for --pictures")
    if not 1 <= config.bits <= 8:
        raise VoteposeError(f"--bits should be in [1, 8], but is {config.bits}")
    if config.presence_threshold is not None and not 0 <= config.presence_threshold <= 1:
        raise VoteposeError(f"--presence-threshold should be in [0, 1], but is {config.presence_threshold}")
    return out


def _size(out: Path) -> int:
    """Bytes of the file, and of OpenVINO's weights beside it."""
    return sum(path.stat().st_size for path in (out, out.with_suffix(".bin")) if path == out or out.suffix == ".xml")
