"""`votepose export`: weights -> one file that holds network, grouping and refiner: image in, people out."""

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
    """Write network, grouping and refiner into one file: image in, people out. The file is checked against PyTorch."""

    weights: Path
    """A safetensors file from `votepose train`; `bundled` for the package's."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """File to write. By default votepose.onnx, votepose.xml (and .bin) or votepose.pt2."""
    format: Format = "onnx"
    """onnx: for `votepose predict`. openvino: the same graph for OpenVINO. torch: a torch.export program."""
    precision: Precision | None = None
    """Precision of the stored weights; all of them compute in float32. int8 (onnx only): the large ones in 8 bits, with
    a scale per output channel. By default float16, or float32 for torch."""
    presence_threshold: float | None = None
    """Presence threshold that the file uses by itself, in [0, 1]. By default the weights' own."""


def run(config: ExportConfig) -> None:
    """Write `config.out`; it appears only when it was found to compute what PyTorch does.

    Raises:
        VoteposeError: if the weights cannot be read, an option is wrong, or the written file computes something else.
    """
    out = config.out or Path("votepose").with_suffix(SUFFIXES[config.format])
    _check(config, out)
    precision = config.precision or ("float32" if config.format == "torch" else "float16")
    estimator, metadata = load_estimator(resolve_weights(config.weights, ".safetensors"))
    if config.presence_threshold is not None:
        estimator.config = replace(estimator.config, presence_threshold=config.presence_threshold)
    write_export(estimator, metadata, out, config.format, precision)
    print(f"{out}: {size(out) / 1e6:.1f} MB, {precision}, preset {metadata.preset}, input {metadata.input_size}")
    if config.format == "openvino":
        print("compile it with INFERENCE_PRECISION_HINT f32: OpenVINO by itself may take bf16, which moves joints")


def _check(config: ExportConfig, out: Path) -> None:
    """Before anything slow: options that go together."""
    suffix = SUFFIXES[config.format]
    if out.suffix != suffix:
        raise VoteposeError(f"{out}: a file of --format {config.format} should end in {suffix}")
    if out.is_dir():
        raise VoteposeError(f"{out}: is a folder; name a file for --out")
    if config.format == "torch" and config.precision not in (None, "float32"):
        raise VoteposeError(f"--format torch is written in float32 only, not in {config.precision}")
    if config.format == "openvino" and config.precision == "int8":
        raise VoteposeError("--format openvino is float32 or float16; for int8, give that to OpenVINO's nncf")
    if config.presence_threshold is not None and not 0 <= config.presence_threshold <= 1:
        raise VoteposeError(f"--presence-threshold should be in [0, 1], but is {config.presence_threshold}")
