"""The tables of the analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from votepose.evaluation.coco_metrics import KeypointMetrics
from votepose.evaluation.error_analysis.joints import ERRORS, JointErrorType, corrected, own_similarities
from votepose.evaluation.error_analysis.matched_image import MAX_DETECTIONS, MIN_OKS, MatchedImage, count_people
from votepose.evaluation.error_analysis.report import Table
from votepose.evaluation.error_analysis.scoring import Scorer
from votepose.evaluation.error_analysis.slice_specs import slice_specs
from votepose.evaluation.error_analysis.slices import FOUND, Slice, coco_sizes, slice_people
from votepose.inference.defaults import SCORE_THRESHOLD
from votepose.poses import Poses
from votepose.skeleton import Skeleton

_KAPPA = float(np.exp(-0.5))  # similarity of a joint at a distance of kappa times the person's size


def slice_tables(
    pictures: Sequence[MatchedImage], scorer: Scorer, base: KeypointMetrics, input_size: int
) -> list[Table]:
    """AP by size, number of people and occlusion."""
    title = "COCO's sizes: square root of the person's area, in image pixels"
    tables = [_sliced("coco_size", title, coco_sizes(pictures, base.ap_m, base.ap_l))]
    return tables + [
        _sliced(spec.key, spec.title, slice_people(spec, pictures, scorer)) for spec in slice_specs(input_size)
    ]


def _sliced(key: str, title: str, slices: Sequence[Slice]) -> Table:
    columns = (key.replace("_", " "), "people", "AP", "AP50", "AR", f"found (OKS {FOUND})")
    return Table(key, f"AP by {title}", columns, [(s.name, s.people, s.ap, s.ap50, s.ar, s.found) for s in slices])


def joint_table(pictures: Sequence[MatchedImage], types: Sequence[np.ndarray], skeleton: Skeleton) -> Table:
    """The accuracy and error types of each joint of the people found."""
    all_kept = np.concatenate([own_similarities(picture) for picture in pictures])
    all_types = np.concatenate(types)
    shown = (JointErrorType.GOOD, *ERRORS)

    def row(name: str, kept: np.ndarray, types: np.ndarray) -> tuple[str | int | float | None, ...]:
        judged = types != JointErrorType.UNJUDGED
        count = int(judged.sum())
        if not count:
            return (name, 0, *[None] * (2 + len(shown)))
        values = (
            kept[judged].mean(),
            (kept[judged] >= _KAPPA).mean(),
            *((types == kind).sum() / count for kind in shown),
        )
        return (name, count, *map(float, values))

    rows = [row(name, all_kept[:, k], all_types[:, k]) for k, name in enumerate(skeleton.names)]
    columns = ("joint", "number", "similarity", "within κ", *(kind.name.lower() for kind in shown))
    note = (
        f"Labelled joints of people who were found (OKS of {MIN_OKS} or more): mean OKS per joint, share of joints "
        "off by at most κ times the person's size, and shares of good joints and of each error type."
    )
    return Table("joints", "Joints", columns, [*rows, row("all joints", all_kept, all_types)], note)


def correction_table(
    pictures: Sequence[MatchedImage], types: Sequence[np.ndarray], scorer: Scorer, base: KeypointMetrics
) -> Table:
    """AP without one type of error."""
    types_of = {id(picture): kinds for picture, kinds in zip(pictures, types, strict=True)}

    def without(*which: JointErrorType) -> KeypointMetrics:
        return scorer.changed(pictures, lambda p: corrected(p, types_of[id(p)], *which))

    rows = {kind.name.lower(): without(kind) for kind in ERRORS}
    rows["all four"] = without(*ERRORS)
    rows["background"] = scorer.changed(pictures, lambda p: p.poses[~p.background])
    rows["split"] = scorer.changed(pictures, lambda p: p.poses[~p.split])
    rows["merged"] = scorer.without(pictures, lambda p: p.merged)
    rows["missed"] = scorer.without(pictures, lambda p: p.missed)
    note = (
        "Wrong joints are moved to their labelled positions; background and second (split) skeletons are removed; "
        "people without a skeleton (merged, missed) are ignored."
    )
    return _gains("repairs", "Gain from correcting one type of error", "without", rows, base, note)


def people_error_table(pictures: Sequence[MatchedImage]) -> Table:
    """Counts of errors of whole people."""
    every, shown = asdict(count_people(pictures)), asdict(count_people(pictures, SCORE_THRESHOLD))
    names = {
        "found": f"found: labelled people with a skeleton of their own (OKS of {MIN_OKS} or more)",
        "background": "background: skeletons that are similar to no labelled person",
        "split": "split: second skeletons of a person",
        "merged": "merged: people without a skeleton, but similar to another person's",
        "missed": "missed: people who are similar to no skeleton",
    }
    columns = ("people", f"in the {MAX_DETECTIONS} best of each image", f"with a score of {SCORE_THRESHOLD} or more")
    return Table(
        "people_errors",
        "Whole people",
        columns,
        [(name, every[k], shown[k]) for k, name in names.items()],
        "AP also counts skeletons with a low score; `votepose predict` shows those in the last column.",
    )


def oracle_table(
    pictures: Sequence[MatchedImage], found: Mapping[str, Sequence[Poses]], scorer: Scorer, base: KeypointMetrics
) -> Table:
    """AP if one part of the estimator were perfect."""
    samples = [picture.sample for picture in pictures]
    rows = {name: scorer.all(zip(samples, poses, strict=True)) for name, poses in found.items()}
    note = "The estimator runs again with the truth instead of one part's output, which the other parts use as input."
    return _gains("oracles", "Gain from one perfect part", "perfect", rows, base, note)


def _gains(
    key: str, title: str, name: str, rows: Mapping[str, KeypointMetrics], base: KeypointMetrics, note: str
) -> Table:
    measured = {"(unchanged)": base, **rows}
    columns = (name, "AP", "gain", "AP50", "AP75", "AR")
    cells = [(row, m.ap, m.ap - base.ap, m.ap50, m.ap75, m.ar) for row, m in measured.items()]
    return Table(key, title, columns, cells, note)
