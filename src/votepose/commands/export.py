"""`votepose export`: writes network, grouping and refiner into one file that maps an image to people."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from votepose.errors import VoteposeError
from votepose.export.write import SUFFIXES, Format, Precision, size, write_export
from votepose.inference.weights import resolve_weights
from votepose.models.loading import load_estimator


@dataclass(frozen=True)
class ExportConfig:
    """Write network, grouping and refiner into one file: image in, people out. Its output is checked against
    PyTorch."""

    weights: Path
    """A safetensors file from `votepose train`, or `bundled` for the bundled model."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """File to write. Default: votepose.onnx, votepose.xml (and .bin) or votepose.pt2."""
    format: Format = "onnx"
    """onnx: for `votepose predict`. openvino: the same graph for OpenVINO. torch: a torch.export program."""
    precision: Precision | None = None
    """Precision of the stored weights; computation is always in float32. int8 (onnx only) stores large weights in 8
    bits, with a scale per output channel. Default: float16, or float32 for torch."""
    presence_threshold: float | None = None
    """Default presence threshold of the file, in [0, 1]. Default: the one stored in the weights."""
    whole_image: bool = False
    """Let the finest pyramid level see the whole image, instead of the part with small people. Slower, but a run can
    then hold several images. Always so for openvino and torch, which prepare for each shape of that part."""


def run(config: ExportConfig) -> None:
    """Write `config.out`. The file appears only after its output was found to match PyTorch's.

    Raises:
        VoteposeError: if the weights cannot be read, an option is wrong, or the file's output differs from PyTorch's.
    """
    out = config.out or Path("votepose").with_suffix(SUFFIXES[config.format])
    _check(config, out)
    precision = config.precision or ("float32" if config.format == "torch" else "float16")
    estimator, metadata = load_estimator(resolve_weights(config.weights, ".safetensors"))
    if config.presence_threshold is not None:
        estimator.config = replace(estimator.config, presence_threshold=config.presence_threshold)
    estimator.focus = estimator.focus and config.format == "onnx" and not config.whole_image
    write_export(estimator, metadata, out, config.format, precision)
    print(f"{out}: {size(out) / 1e6:.1f} MB, {precision}, preset {metadata.preset}, input {metadata.input_size}")
    if config.format == "openvino":
        print("compile it with INFERENCE_PRECISION_HINT f32: OpenVINO may default to bf16, which shifts joints")


def _check(config: ExportConfig, out: Path) -> None:
    """Check, before any slow work, that the options go together."""
    suffix = SUFFIXES[config.format]
    if out.suffix != suffix:
        raise VoteposeError(f"{out}: a file of --format {config.format} should end in {suffix}")
    if out.is_dir():
        raise VoteposeError(f"{out}: is a folder; --out should be a file")
    if config.format == "torch" and config.precision not in (None, "float32"):
        raise VoteposeError(f"--format torch is written in float32 only, not in {config.precision}")
    if config.format == "openvino" and config.precision == "int8":
        raise VoteposeError("--format openvino is float32 or float16; for int8, quantize that with OpenVINO's nncf")
    if config.presence_threshold is not None and not 0 <= config.presence_threshold <= 1:
        raise VoteposeError(f"--presence-threshold should be in [0, 1], but is {config.presence_threshold}")
