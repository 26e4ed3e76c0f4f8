"""The report of `votepose calibrate`: reliability of joints and people, and the accuracy of `seen`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from votepose.evaluation.calibration.fit import CalibratedPredictions
from votepose.evaluation.calibration.reliability import Reliability, reliability, seen_accuracy
from votepose.evaluation.calibration.samples import MATCHED, CalibrationSamples
from votepose.skeleton import Skeleton

Variants = Mapping[str, CalibratedPredictions]  # by name of the calibration


def reliabilities(samples: CalibrationSamples, variants: Variants) -> dict[str, dict[str, Reliability]]:
    """The reliability of joints and of people, for each variant."""
    known = samples.labelled
    return {
        "joints": {
            name: reliability(predictions.confidences[known], samples.kept[known])
            for name, predictions in variants.items()
        },
        "people": {name: reliability(predictions.scores, samples.oks) for name, predictions in variants.items()},
    }


def report_text(source: str, samples: CalibrationSamples, variants: Variants, skeleton: Skeleton) -> str:
    """The report in Markdown; `source` describes the images and weights."""
    matched = int((samples.oks >= MATCHED).sum())
    return "\n".join(
        [
            f"{source}: {len(samples.scores)} people found, {matched} of them labelled (OKS of {MATCHED} or more)",
            "",
            *_reliability_table(samples, variants, skeleton),
            "",
            *_seen_table(samples, variants),
        ]
    )


def _reliability_table(samples: CalibrationSamples, variants: Variants, skeleton: Skeleton) -> list[str]:
    lines = [
        f"| | number | observed | {' | '.join(f'{name}: predicted | ECE' for name in variants)} |",
        f"|---|---|---{'|---|---' * len(variants)}|",
    ]
    for name, by_variant in reliabilities(samples, variants).items():
        lines.append(_row(name, list(by_variant.values())))
    for k, name in enumerate(skeleton.names):
        known = samples.labelled[:, k]
        kept = samples.kept[known, k]
        lines.append(_row(name, [reliability(p.confidences[known, k], kept) for p in variants.values()]))
    return lines


def _row(name: str, columns: Sequence[Reliability]) -> str:
    cells = (f"{column.means[0]:.3f} | {column.error:.3f}" for column in columns)
    return f"| {name} | {int(columns[0].counts.sum())} | {columns[0].means[1]:.3f} | {' | '.join(cells)} |"


def _seen_table(samples: CalibrationSamples, variants: Variants) -> list[str]:
    known = samples.labelled
    lines = ["| seen or inferred | accuracy | balanced | AUC |", "|---|---|---|---|"]
    for name, predictions in variants.items():
        of = seen_accuracy(predictions.seen[known], samples.logits[known], samples.visible[known])
        lines.append(f"| {name} | {of.accuracy:.3f} | {of.balanced:.3f} | {of.auc:.3f} |")
    hidden = int((known & ~samples.visible).sum())
    return [*lines, "", f"COCO labels {hidden} of {int(known.sum())} joints as hidden (v = 1)"]
