"""`votepose analyse`: where the points are lost, by kind of person, kind of error, and part of the estimator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import torch
import tyro

from votepose.commands.evaluate import EvaluateConfig, check
from votepose.data.coco import CocoDataset, load_coco
from votepose.errors import VoteposeError
from votepose.evaluation.error_analysis.chart import draw_chart
from votepose.evaluation.error_analysis.joints import Kind, joint_kinds, repaired
from votepose.evaluation.error_analysis.oracles import PARTS, find_variants
from votepose.evaluation.error_analysis.pictures import Picture, count_people
from votepose.evaluation.error_analysis.report import Report, Table
from votepose.evaluation.error_analysis.scoring import Scorer
from votepose.evaluation.error_analysis.tables import (
    error_table,
    joint_table,
    oracle_table,
    people_tables,
    repair_table,
)
from votepose.evaluation.runner import check_match, tell_left_out
from votepose.io.files import prepare_folder, save_picture, save_text
from votepose.models.checkpoint import named
from votepose.models.estimator import PoseEstimator
from votepose.models.loading import load_estimator
from votepose.poses import Poses
from votepose.skeleton import Skeleton
from votepose.utils.progress import track

__all__ = [
    "AnalyseConfig",
    "Kind",
    "Picture",
    "Report",
    "Scorer",
    "Table",
    "analyse",
    "count_people",
    "find_variants",
    "joint_kinds",
    "repaired",
    "run",
]

_ALL = "all five"


@dataclass(frozen=True)
class AnalyseConfig:
    """Show where the points are lost: AP by kind of person, errors by kind, and what perfect parts would win."""

    data: Path
    """Folder with annotations.json beside images/ or images-*.zip."""
    weights: Path | None = None
    """safetensors of `votepose train`; by default the package's."""
    limit: int | None = None
    """Only the first so many pictures."""
    input_size: int | None = None
    """Longest side of the network input in pixels, a multiple of 32; by default the weights' own."""
    levels: int | None = None
    """Levels of the image pyramid, each half the one before, that vote together; by default the preset's."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for report.md, report.json and errors.png."""


def run(config: AnalyseConfig) -> None:
    """Print the tables and, with `config.out`, save them.

    Raises:
        VoteposeError: if the data, the weights, an option or the output folder will not do.
    """
    weights = named(config.weights)
    check(EvaluateConfig(config.data, weights, config.limit, config.input_size, config.levels))
    if weights.suffix == ".onnx":
        raise VoteposeError(f"{weights}: analyse looks between the network's parts; give the safetensors of it")
    if config.out:
        prepare_folder(config.out)
    estimator, skeleton, about = load_estimator(weights)
    estimator.levels = estimator.levels if config.levels is None else config.levels
    estimator.to("cuda" if torch.cuda.is_available() else "cpu")
    dataset = load_coco(config.data, config.limit)
    tell_left_out(dataset, config.data)
    check_match(dataset, skeleton, weights)
    size = config.input_size or int(about["input_size"])
    facts = {
        "data": str(config.data),
        "weights": str(config.weights or "bundled"),
        "preset": about["preset"],
        "input_size": size,
        "levels": estimator.levels,
        "pictures": len(dataset.samples),
    }
    report = analyse(estimator, dataset, size, skeleton, facts)
    print(report.to_markdown())
    if config.out:
        chart = draw_chart({table.key: table for table in report.tables})
        save_picture(chart, config.out / "errors.png")
        save_text(f"{report.to_markdown()}\n\n![Errors](errors.png)\n", config.out / "report.md")
        save_text(json.dumps(report.to_json(), indent=1), config.out / "report.json")
        print(f"\nreport.md, report.json and errors.png in {config.out}")


def analyse(
    estimator: PoseEstimator,
    dataset: CocoDataset,
    size: int,
    skeleton: Skeleton,
    facts: dict[str, object],
    progress: bool = True,
) -> Report:
    """All tables, of an estimator that sees pictures letterboxed to `size`; `facts` say what it is."""
    scorer = Scorer.of(dataset)
    variants = {"(as it is)": (), **{part: (part,) for part in PARTS}, _ALL: PARTS}
    shown = track(dataset.samples, "analysing", shown=progress)
    found = [find_variants(estimator, sample, size, skeleton, list(variants.values())) for sample in shown]
    plain, *perfect = (list(column) for column in zip(*found, strict=True))
    pictures = [Picture.of(sample, poses) for sample, poses in zip(dataset.samples, plain, strict=True)]
    return _report(pictures, dict(zip(list(variants)[1:], perfect, strict=True)), scorer, skeleton, size, facts)


def _report(
    pictures: Sequence[Picture],
    perfect: dict[str, list[Poses]],
    scorer: Scorer,
    skeleton: Skeleton,
    size: int,
    facts: dict[str, object],
) -> Report:
    base = scorer.changed(pictures, lambda picture: picture.poses)
    kinds = [joint_kinds(picture) for picture in pictures]
    tables = [
        *people_tables(pictures, scorer, base, size),
        joint_table(pictures, kinds, skeleton),
        repair_table(pictures, kinds, scorer, base),
        error_table(pictures),
        oracle_table(pictures, perfect, scorer, base),
    ]
    people = sum(len(picture.sample.keypoints) for picture in pictures)
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items())
    head = f"{told[:1].upper()}{told[1:]}; {people} labelled people.\n\n**{base}**"
    return Report(head, {**facts, "people": people, "metrics": asdict(base)}, tables)
