"""`votepose evaluate`: measures a model's COCO keypoint AP on a folder of images."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from votepose.data.labelled import load_labelled
from votepose.errors import VoteposeError
from votepose.evaluation.checks import check_match, check_options, print_left_out, require_positive
from votepose.evaluation.coco_metrics import metrics_of
from votepose.evaluation.gallery import write_gallery
from votepose.evaluation.loading import load_model
from votepose.evaluation.runner import find_all, picture_results
from votepose.inference.flip_tta import find_in_both_views
from votepose.inference.weights import chosen_weights, resolve_weights
from votepose.io.files import prepare_folder, save_text
from votepose.utils.wording import counted


@dataclass(frozen=True)
class EvaluateConfig:
    """Measure COCO keypoint AP on a folder of labelled images."""

    data: Path
    """COCO folder (annotations.json beside images/ or images-*.zip), or a YOLO data.yaml, of which `val` is used."""
    weights: Path | None = None
    """A safetensors file from `votepose train` or an ONNX file from `votepose export`, instead of a bundled model."""
    model: str | None = None
    """Bundled model: accurate (the default) or fast."""
    limit: int | None = None
    """Use only the first N images."""
    input_size: int | None = None
    """Longest side of the network input in pixels, a multiple of 32. Default: the one stored in the weights."""
    levels: int | None = None
    """Number of image pyramid levels, each half the size of the one before. Default: the preset's."""
    flip_test: bool = False
    """Average the results with those on the mirrored image: slightly more accurate, takes twice as long."""
    presence_threshold: float | None = None
    """Minimum presence, the probability of a joint, for a cell to vote, in [0, 1]. Default: as stored in the
    weights."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """File for the detections, in COCO results format."""
    gallery: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for drawings of the worst and best images, with detections and labels side by side."""
    examples: int = 20
    """Number of worst images, and of best images, to draw."""


def run(config: EvaluateConfig) -> None:
    """Measure and print AP; the last line printed is `AP 0.123 AP50 … AP75 … APM … APL … AR …`.

    Raises:
        VoteposeError: if the data, the weights, an option or an output path cannot be used.
    """
    _check(config)
    weights = resolve_weights(chosen_weights(config.model, config.weights), ".onnx")
    model = load_model(weights, config.input_size, config.presence_threshold, config.levels)
    dataset = load_labelled(config.data, config.limit, "val")
    assert dataset.labels is not None
    print_left_out(dataset, config.data)
    check_match(dataset, model.skeleton, weights)
    views = ", each and its mirror image" if config.flip_test else ""
    size = f", {model.parameters / 1e6:.1f} M parameters" if model.parameters else ""
    print(
        f"{counted(len(dataset.samples), 'image')} of {config.data}{views}; {weights} (preset {model.preset}{size}), "
        f"input {model.input_size}"
    )
    find = partial(find_in_both_views, model.find) if config.flip_test else model.find
    found = list(find_all(find, dataset.samples))
    if config.out:
        results = [entry for sample, poses in found for entry in picture_results(poses, sample, dataset.category_id)]
        save_text(json.dumps(results), config.out)
        print(f"{counted(len(results), 'detection')} in {config.out}")
    if config.gallery:
        count = write_gallery(config.gallery, found, config.examples)
        print(f"{counted(count, 'drawing')} in {config.gallery}: detections on the left, labels on the right")
    metrics = metrics_of(dataset.labels, found)
    print("| Method | Parameters (M) | AP50 | AP75 | AP-M | AP-L |\n|---|---|---|---|---|---|")
    print(metrics.paper_row(f"votepose [{model.preset}]", model.parameters / 1e6))
    print(metrics)


def _check(config: EvaluateConfig) -> None:
    """Raise VoteposeError, before any slow work, unless the options are in range and the output paths writable."""
    check_options(config.limit, config.input_size, config.levels, config.presence_threshold)
    require_positive("examples", config.examples)
    if config.out:
        if config.out.is_dir():
            raise VoteposeError(f"{config.out}: is a folder; --out should be a json file")
        prepare_folder(config.out.parent)
    if config.gallery:
        prepare_folder(config.gallery, "--gallery")
