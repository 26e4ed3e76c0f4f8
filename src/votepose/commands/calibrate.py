"""`votepose calibrate`: fits the confidences to labelled images held out from training, or measures their accuracy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from votepose.data.labelled import load_labelled
from votepose.errors import VoteposeError
from votepose.evaluation.calibration.chart import draw_reliability
from votepose.evaluation.calibration.fit import calibrated_predictions, cross_validated_predictions, fit
from votepose.evaluation.calibration.report import reliabilities, report_text
from votepose.evaluation.calibration.samples import collect_samples
from votepose.evaluation.checks import check_match, check_options, print_left_out
from votepose.inference.weights import resolve_weights
from votepose.io.files import prepare_folder, save_picture, save_text
from votepose.models.checkpoint import save_weights
from votepose.models.loading import load_estimator
from votepose.utils.wording import counted


@dataclass(frozen=True)
class CalibrateConfig:
    """Fit the confidences to labelled images that were not trained on. Without --out, only measure their accuracy."""

    data: tuple[Path, ...]
    """COCO folders (annotations.json beside images/ or images-*.zip), or YOLO data.yaml files (`val`)."""
    weights: Path
    """A safetensors file from `votepose train`, or `bundled` for the bundled model."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """File (.safetensors) for the weights with the fitted calibration. `votepose export` keeps the calibration."""
    limit: int | None = None
    """Use only the first N images of each folder."""
    report: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for report.md and reliability.png."""


def run(config: CalibrateConfig) -> None:
    """Print the difference between predicted and observed accuracy and, with `config.out`, save calibrated weights.

    The column `calibrated` is cross-validated (five folds). The calibration that is saved is fitted to all images.

    Raises:
        VoteposeError: if the weights, the data, or an output path cannot be used.
    """
    _check(config)
    estimator, metadata = load_estimator(resolve_weights(config.weights, ".safetensors"))
    skeleton = metadata.skeleton
    datasets = [load_labelled(folder, config.limit, "val") for folder in config.data]
    for folder, dataset in zip(config.data, datasets, strict=True):
        print_left_out(dataset, folder)
        check_match(dataset, skeleton, config.weights)
    pictures = [sample for dataset in datasets for sample in dataset.samples]
    samples = collect_samples(estimator, pictures, metadata.input_size, skeleton)
    if not samples.labelled.any():
        raise VoteposeError(
            f"{config.weights}: finds none of the labelled people in these {len(pictures)} images, "
            "so nothing can be measured; use better weights or more images"
        )
    variants = {"current": calibrated_predictions(estimator.calibration, samples)}
    if config.out:
        variants["calibrated"] = cross_validated_predictions(samples)
    source = f"{counted(len(pictures), 'image')} of {', '.join(map(str, config.data))}; {config.weights}"
    text = report_text(source, samples, variants, skeleton)
    print(text)
    if config.report:
        save_picture(draw_reliability(reliabilities(samples, variants)), config.report / "reliability.png")
        save_text(f"# Reliability\n\n{text}\n\n![Reliability](reliability.png)\n", config.report / "report.md")
        print(f"report.md and reliability.png in {config.report}")
    if config.out:
        save_weights(config.out, estimator.network, replace(metadata, calibration=fit(samples)))
        print(f"{config.out}: calibrated on {counted(len(pictures), 'image')}")


def _check(config: CalibrateConfig) -> None:
    """Raise VoteposeError, before any slow work, unless the options are in range and the output paths writable."""
    check_options(config.limit)
    if not config.data:
        raise VoteposeError("--data needs at least one folder")
    if config.out and (config.out.suffix != ".safetensors" or config.out.is_dir()):
        raise VoteposeError(f"{config.out}: --out should end in .safetensors")
    if config.out:
        prepare_folder(config.out.parent)
    if config.report:
        prepare_folder(config.report, "--report")
