"""Analyses an estimator on a dataset; the report holds all tables."""

from __future__ import annotations

from collections.abc import Sequence

from votepose.data.labelled import LabelledDataset
from votepose.evaluation.error_analysis.joints import joint_error_types
from votepose.evaluation.error_analysis.matched_image import MatchedImage
from votepose.evaluation.error_analysis.oracles import PARTS, find_variants
from votepose.evaluation.error_analysis.report import Report
from votepose.evaluation.error_analysis.scoring import Scorer
from votepose.evaluation.error_analysis.tables import (
    correction_table,
    joint_table,
    oracle_table,
    people_error_table,
    slice_tables,
)
from votepose.models.estimator import PoseEstimator
from votepose.poses import Poses
from votepose.skeleton import Skeleton
from votepose.utils.progress import track

_ALL_PARTS = "all five"


def analyse(
    estimator: PoseEstimator,
    dataset: LabelledDataset,
    size: int,
    skeleton: Skeleton,
    facts: dict[str, object],
    progress: bool = True,
) -> Report:
    """Analyse an estimator with inputs letterboxed to `size` pixels; progress goes to stderr.

    Args:
        facts: facts about the estimator and the data for the report, by name.
    """
    scorer = Scorer.of(dataset)
    variants = {**{part: (part,) for part in PARTS}, _ALL_PARTS: PARTS}
    shown = track(dataset.samples, "analysing", shown=progress)
    found = [find_variants(estimator, sample, size, skeleton, [(), *variants.values()]) for sample in shown]
    plain, *perfect = (list(column) for column in zip(*found, strict=True))
    pictures = [MatchedImage.of(sample, poses) for sample, poses in zip(dataset.samples, plain, strict=True)]
    return _report(pictures, dict(zip(variants, perfect, strict=True)), scorer, skeleton, size, facts)


def _report(
    pictures: Sequence[MatchedImage],
    perfect: dict[str, list[Poses]],
    scorer: Scorer,
    skeleton: Skeleton,
    size: int,
    facts: dict[str, object],
) -> Report:
    base = scorer.changed(pictures, lambda picture: picture.poses)
    types = [joint_error_types(picture) for picture in pictures]
    tables = [
        *slice_tables(pictures, scorer, base, size),
        joint_table(pictures, types, skeleton),
        correction_table(pictures, types, scorer, base),
        people_error_table(pictures),
        oracle_table(pictures, perfect, scorer, base),
    ]
    people = sum(len(picture.sample.keypoints) for picture in pictures)
    listed = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items())
    head = f"{listed[:1].upper()}{listed[1:]}; {people} labelled people.\n\n**{base}**"
    return Report(head, {**facts, "people": people, "metrics": base.to_dict()}, tables)
