"""`votepose evaluate`: COCO keypoint AP of a weights file on a folder of pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from votepose.data.coco import load_coco
from votepose.errors import VoteposeError
from votepose.evaluation.coco_metrics import coco_keypoint_metrics
from votepose.evaluation.runner import check_match, find_all, load_model, picture_results, tell_left_out
from votepose.inference.flip_tta import find_in_both_views
from votepose.inference.weights import resolve_weights
from votepose.io.files import prepare_folder, save_text
from votepose.letterbox import require_input_size
from votepose.visualization.gallery import write_gallery


@dataclass(frozen=True)
class EvaluateConfig:
    """Measure COCO keypoint AP: annotations.json beside images/ or images-*.zip."""

    data: Path
    """Folder with annotations.json beside images/ or images-*.zip."""
    weights: Path | None = None
    """safetensors of `votepose train`, or an ONNX file of `votepose export`; by default the model in the package."""
    limit: int | None = None
    """Only the first so many pictures."""
    input_size: int | None = None
    """Longest side of the network input in pixels, a multiple of 32; by default the weights' own."""
    levels: int | None = None
    """Levels of the image pyramid, each half the one before, that vote together; by default the preset's."""
    flip_test: bool = False
    """Look at each picture's mirror image, too, and average: a little better, twice the time."""
    presence_threshold: float | None = None
    """How sure a cell must be that a keypoint lies on it, in [0, 1]; by default the weights' own."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Save the detections as a COCO results json."""
    gallery: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for drawings of the worst and the best pictures, the truth beside what was found."""
    examples: int = 20
    """How many of the worst, and of the best, go into the gallery."""


def run(config: EvaluateConfig) -> None:
    """Do what `config` says; the last line printed is `AP 0.123 AP50 … AP75 … APM … APL … AR …`.

    Raises:
        VoteposeError: if the data, the weights, an option or an output path will not do.
    """
    check(config)
    weights = resolve_weights(config.weights, ".onnx")
    model = load_model(weights, config.input_size, config.presence_threshold, config.levels)
    dataset = load_coco(config.data, config.limit)
    assert dataset.annotations is not None
    tell_left_out(dataset, config.data)
    check_match(dataset, model.skeleton, weights)
    views = ", each and its mirror image" if config.flip_test else ""
    print(
        f"{len(dataset.samples)} pictures of {config.data}{views}; {weights} (preset {model.preset}, "
        f"{model.parameters / 1e6:.1f} M parameters), input {model.input_size}"
    )
    find = partial(find_in_both_views, model.find) if config.flip_test else model.find
    found = list(find_all(find, dataset.samples))
    results = [entry for sample, poses in found for entry in picture_results(poses, sample, dataset.category_id)]
    metrics = coco_keypoint_metrics(dataset.annotations, results, [s.image_id for s in dataset.samples])
    if config.out:
        save_text(json.dumps(results), config.out)
        print(f"{len(results)} detections in {config.out}")
    if config.gallery:
        count = write_gallery(config.gallery, found, config.examples)
        print(f"{count} drawings in {config.gallery}: found on the left, labelled on the right")
    print("| Method | Parameters (M) | AP50 | AP75 | AP-M | AP-L |\n|---|---|---|---|---|---|")
    print(metrics.paper_row(f"votepose [{model.preset}]", model.parameters / 1e6))
    print(metrics)


def check(config: EvaluateConfig) -> None:
    """Before anything slow: raises VoteposeError unless options are in range and output paths writable."""
    for name, value in (("limit", config.limit), ("examples", config.examples), ("levels", config.levels)):
        if value is not None and value < 1:
            raise VoteposeError(f"--{name} should be at least 1, but is {value}")
    if config.input_size is not None:
        require_input_size(config.input_size)
    if config.presence_threshold is not None and not 0 <= config.presence_threshold <= 1:
        raise VoteposeError(f"--presence-threshold should be in [0, 1], but is {config.presence_threshold}")
    if config.out:
        if config.out.is_dir():
            raise VoteposeError(f"{config.out}: is a folder; name a json file for --out")
        prepare_folder(config.out.parent)
    if config.gallery:
        try:
            prepare_folder(config.gallery)
        except VoteposeError as error:
            raise VoteposeError(str(error).replace("--out", "--gallery")) from None
