"""`votepose calibrate`: fit what confidences mean to pictures held apart, or measure how well they mean it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from votepose.data.coco import load_coco
from votepose.errors import VoteposeError
from votepose.evaluation.calibration.fit import Answers, answers, answers_apart, fit
from votepose.evaluation.calibration.reliability import Reliability, plot, reliability, sight
from votepose.evaluation.calibration.samples import MATCHED, Evidence, gather
from votepose.evaluation.runner import check_match, tell_left_out
from votepose.io.files import prepare_folder, save_picture, save_text
from votepose.models.checkpoint import named, save_weights
from votepose.models.loading import load_estimator
from votepose.skeleton import Skeleton


@dataclass(frozen=True)
class CalibrateConfig:
    """Fit what confidences mean to labelled pictures that were not trained on; without --out, measure a file's own."""

    data: tuple[Path, ...]
    """Folders with annotations.json beside images/ or images-*.zip."""
    weights: Path
    """safetensors written by `votepose train`; `bundled` are the package's."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """The same weights with the calibration in them, safetensors; `votepose export` takes it over."""
    limit: int | None = None
    """Only the first so many pictures of each folder."""
    report: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for report.md and reliability.png."""


def run(config: CalibrateConfig) -> None:
    """Print how far confidences are from what they promise and, with `config.out`, mend it.

    What is printed as `after` is of calibrations fitted to other pictures (five folds); the one that is written is
    fitted to all.

    Raises:
        VoteposeError: if the weights, the data, or an output path will not do.
    """
    _check(config)
    estimator, skeleton, about = load_estimator(named(config.weights))
    datasets = [load_coco(folder, config.limit) for folder in config.data]
    for folder, dataset in zip(config.data, datasets, strict=True):
        tell_left_out(dataset, folder)
        check_match(dataset, skeleton, config.weights)
    samples = [sample for dataset in datasets for sample in dataset.samples]
    size = int(about["input_size"])
    evidence = gather(estimator, samples, size, skeleton)
    if not evidence.labelled.any():
        raise VoteposeError(
            f"{config.weights}: finds none of the people who are labelled in these {len(samples)} "
            f"pictures, so nothing can be measured; take better weights or more pictures"
        )
    shown = {"as it is": answers(estimator.calibration, evidence)}
    if config.out:
        shown["calibrated"] = answers_apart(evidence)
    text = _text(config, evidence, shown, skeleton, len(samples))
    print(text)
    if config.report:
        save_picture(plot(_panels(evidence, shown)), config.report / "reliability.png")
        save_text(f"# Reliability\n\n{text}\n\n![Reliability](reliability.png)\n", config.report / "report.md")
        print(f"report.md and reliability.png in {config.report}")
    if config.out:
        save_weights(config.out, estimator.network, about["preset"], size, skeleton, fit(evidence))
        print(f"{config.out}: calibrated on {len(samples)} pictures")


def _panels(evidence: Evidence, shown: dict[str, Answers]) -> dict[str, dict[str, Reliability]]:
    known = evidence.labelled
    return {
        "joints": {n: reliability(a.confidences[known], evidence.kept[known]) for n, a in shown.items()},
        "people": {n: reliability(a.scores, evidence.oks) for n, a in shown.items()},
    }


def _text(
    config: CalibrateConfig, evidence: Evidence, shown: dict[str, Answers], skeleton: Skeleton, pictures: int
) -> str:
    """What was measured, in Markdown."""
    matched = int((evidence.oks >= MATCHED).sum())
    lines = [
        f"{pictures} pictures of {', '.join(map(str, config.data))}; {config.weights}: {len(evidence.scores)} people "
        f"found, {matched} of them labelled (OKS of {MATCHED} or more)",
        "",
        f"| | number | true | {' | '.join(f'{name}: said | ECE' for name in shown)} |",
        f"|---|---|---{'|---|---' * len(shown)}|",
    ]
    for name, of in _panels(evidence, shown).items():
        lines.append(_row(name, list(of.values())))
    for k, name in enumerate(skeleton.names):
        known = evidence.labelled[:, k]
        of_joint = [reliability(a.confidences[known, k], evidence.kept[known, k]) for a in shown.values()]
        lines.append(_row(name, of_joint))
    known = evidence.labelled
    lines += ["", "| seen or inferred | accuracy | balanced | AUC |", "|---|---|---|---|"]
    for name, told in shown.items():
        s = sight(told.seen[known], evidence.logits[known], evidence.visible[known])
        lines.append(f"| {name} | {s.accuracy:.3f} | {s.balanced:.3f} | {s.auc:.3f} |")
    hidden = int((known & ~evidence.visible).sum())
    lines += ["", f"of {int(known.sum())} joints, COCO calls {hidden} hidden (v = 1)"]
    return "\n".join(lines)


def _row(name: str, columns: Sequence[Reliability]) -> str:
    cells = (f"{c.means[0]:.3f} | {c.error:.3f}" for c in columns)
    return f"| {name} | {int(columns[0].counts.sum())} | {columns[0].means[1]:.3f} | {' | '.join(cells)} |"


def _check(config: CalibrateConfig) -> None:
    """Before anything slow: options in range, output paths writable."""
    if config.limit is not None and config.limit < 1:
        raise VoteposeError(f"--limit should be at least 1, but is {config.limit}")
    if not config.data:
        raise VoteposeError("--data names no folder")
    if config.out and (config.out.suffix != ".safetensors" or config.out.is_dir()):
        raise VoteposeError(f"{config.out}: name a file ending in .safetensors for --out")
    if config.out:
        prepare_folder(config.out.parent)
    if config.report:
        try:
            prepare_folder(config.report)
        except VoteposeError as error:
            raise VoteposeError(str(error).replace("--out", "--report")) from None
