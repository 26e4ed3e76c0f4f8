"""`votepose analyse`: where AP is lost, by kind of person, type of error, and part of the estimator."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import tyro

from votepose.data.labelled import load_labelled
from votepose.errors import VoteposeError
from votepose.evaluation.checks import check_match, check_options, print_left_out
from votepose.evaluation.error_analysis.analysis import analyse
from votepose.evaluation.error_analysis.chart import draw_chart
from votepose.inference.weights import chosen_weights, resolve_weights
from votepose.io.files import prepare_folder, save_picture, save_text
from votepose.models.loading import load_estimator


@dataclass(frozen=True)
class AnalyseConfig:
    """Show where AP is lost: AP by kind of person, errors by type, and the gain if a part were perfect."""

    data: Path
    """COCO folder (annotations.json beside images/ or images-*.zip), or a YOLO data.yaml, of which `val` is used."""
    weights: Path | None = None
    """A safetensors file from `votepose train`, instead of a bundled model."""
    model: str | None = None
    """Bundled model: accurate (the default) or fast."""
    limit: int | None = None
    """Use only the first N images."""
    input_size: int | None = None
    """Longest side of the network input in pixels, a multiple of 32. Default: the one stored in the weights."""
    levels: int | None = None
    """Number of image pyramid levels, each half the size of the one before. Default: the preset's."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for report.md, report.json and errors.png."""


def run(config: AnalyseConfig) -> None:
    """Print the tables and, with `config.out`, save them.

    Raises:
        VoteposeError: if the data, the weights, an option or the output folder cannot be used.
    """
    check_options(config.limit, config.input_size, config.levels)
    if config.weights and config.weights.suffix == ".onnx":
        raise VoteposeError(f"{config.weights}: analyse needs the network's inner layers; use the safetensors file")
    weights = resolve_weights(chosen_weights(config.model, config.weights), ".safetensors")
    if config.out:
        prepare_folder(config.out)
    estimator, metadata = load_estimator(weights)
    estimator.levels = estimator.levels if config.levels is None else config.levels
    estimator.to("cuda" if torch.cuda.is_available() else "cpu")
    dataset = load_labelled(config.data, config.limit, "val")
    print_left_out(dataset, config.data)
    check_match(dataset, metadata.skeleton, weights)
    size = config.input_size or metadata.input_size
    facts = {
        "data": str(config.data),
        "weights": str(config.model or config.weights or "bundled"),
        "preset": metadata.preset,
        "input_size": size,
        "levels": estimator.levels,
        "pictures": len(dataset.samples),
    }
    report = analyse(estimator, dataset, size, metadata.skeleton, facts)
    print(report.to_markdown())
    if config.out:
        chart = draw_chart({table.key: table for table in report.tables})
        save_picture(chart, config.out / "errors.png")
        save_text(f"{report.to_markdown()}\n\n![Errors](errors.png)\n", config.out / "report.md")
        save_text(json.dumps(report.to_json(), indent=1), config.out / "report.json")
        print(f"\nreport.md, report.json and errors.png in {config.out}")
