"""The tables of the analysis: each asks one question of the same pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from votepose.evaluation.coco_metrics import KeypointMetrics
from votepose.evaluation.error_analysis.joints import ERRORS, Kind, own_similarity, repaired
from votepose.evaluation.error_analysis.pictures import COUNTED, LIKE, Picture, count_people
from votepose.evaluation.error_analysis.report import Table
from votepose.evaluation.error_analysis.scoring import Scorer
from votepose.evaluation.error_analysis.slices import FOUND, Slice, ask, coco_sizes, questions
from votepose.inference.defaults import SCORE_THRESHOLD
from votepose.poses import Poses
from votepose.skeleton import Skeleton

_KAPPA = float(np.exp(-0.5))  # share of OKS that a joint keeps whose distance is kappa times the person's size


def people_tables(pictures: Sequence[Picture], scorer: Scorer, base: KeypointMetrics, input_size: int) -> list[Table]:
    """AP by size, number of people and occlusion."""
    title = "COCO's sizes: root of the person's area, in pixels of the picture"
    tables = [_sliced("coco_size", title, coco_sizes(pictures, base.ap_m, base.ap_l))]
    return tables + [_sliced(q.key, q.title, ask(q, pictures, scorer)) for q in questions(input_size)]


def _sliced(key: str, title: str, slices: Sequence[Slice]) -> Table:
    columns = (key.replace("_", " "), "people", "AP", "AP50", "AR", f"found (OKS {FOUND})")
    return Table(key, f"AP by {title}", columns, [(s.name, s.people, s.ap, s.ap50, s.ar, s.found) for s in slices])


def joint_table(pictures: Sequence[Picture], kinds: Sequence[np.ndarray], skeleton: Skeleton) -> Table:
    """How near each joint is, and what is wrong with it, in people who were found."""
    kept = np.concatenate([own_similarity(picture) for picture in pictures])
    of = np.concatenate(kinds)
    shown = (Kind.GOOD, *ERRORS)

    def row(name: str, kept: np.ndarray, kinds: np.ndarray) -> tuple[str | int | float | None, ...]:
        judged = kinds != Kind.UNJUDGED
        count = int(judged.sum())
        if not count:
            return (name, 0, *[None] * (2 + len(shown)))
        values = (
            kept[judged].mean(),
            (kept[judged] >= _KAPPA).mean(),
            *((kinds == kind).sum() / count for kind in shown),
        )
        return (name, count, *map(float, values))

    rows = [row(name, kept[:, k], of[:, k]) for k, name in enumerate(skeleton.names)]
    columns = ("joint", "number", "similarity", "within κ", *(kind.name.lower() for kind in shown))
    note = (
        f"Labelled joints of people who were found (OKS of {LIKE} or more): the mean share of OKS kept, the share that "
        "is off by at most κ times the person's size, and what the others are."
    )
    return Table("joints", "Joints", columns, [*rows, row("all joints", kept, of)], note)


def repair_table(
    pictures: Sequence[Picture], kinds: Sequence[np.ndarray], scorer: Scorer, base: KeypointMetrics
) -> Table:
    """What AP would be without one kind of error."""
    of = {id(picture): kind for picture, kind in zip(pictures, kinds, strict=True)}

    def mended(*which: Kind) -> KeypointMetrics:
        return scorer.changed(pictures, lambda p: repaired(p, of[id(p)], *which))

    rows = {kind.name.lower(): mended(kind) for kind in ERRORS}
    rows["all four"] = mended(*ERRORS)
    rows["background"] = scorer.changed(pictures, lambda p: p.poses[~p.background])
    rows["split"] = scorer.changed(pictures, lambda p: p.poses[~p.split])
    rows["merged"] = scorer.without(pictures, lambda p: p.merged)
    rows["missed"] = scorer.without(pictures, lambda p: p.missed)
    note = (
        "Wrong joints are put where they belong; skeletons of nobody (background) and second ones (split) are taken "
        "away; people without a skeleton of their own (merged, missed) need not be found."
    )
    return _gains("repairs", "What would be won without one kind of error", "without", rows, base, note)


def error_table(pictures: Sequence[Picture]) -> Table:
    """How often whole people went wrong."""
    every, shown = asdict(count_people(pictures)), asdict(count_people(pictures, SCORE_THRESHOLD))
    names = {
        "found": f"found: labelled people with a skeleton of their own (OKS of {LIKE} or more)",
        "background": "background: skeletons of nobody",
        "split": "split: second skeletons of somebody",
        "merged": "merged: people without one, whom somebody else's skeleton is like",
        "missed": "missed: people whom no skeleton is like",
    }
    columns = ("people", f"of the {COUNTED} best of a picture", f"of scores of {SCORE_THRESHOLD} or more")
    return Table(
        "people_errors",
        "Whole people",
        columns,
        [(name, every[k], shown[k]) for k, name in names.items()],
        "AP counts faint skeletons, too; `votepose predict` shows those of the last column.",
    )


def oracle_table(
    pictures: Sequence[Picture], found: Mapping[str, Sequence[Poses]], scorer: Scorer, base: KeypointMetrics
) -> Table:
    """What AP would be if a part of the estimator were perfect."""
    samples = [picture.sample for picture in pictures]
    rows = {name: scorer.all(zip(samples, poses, strict=True)) for name, poses in found.items()}
    note = "The estimator runs anew with the truth put in for one part; the others do with it what they can."
    return _gains("oracles", "What would be won if one part were perfect", "perfect", rows, base, note)


def _gains(
    key: str, title: str, name: str, rows: Mapping[str, KeypointMetrics], base: KeypointMetrics, note: str
) -> Table:
    measured = {"(as it is)": base, **rows}
    columns = (name, "AP", "gain", "AP50", "AP75", "AR")
    cells = [(row, m.ap, m.ap - base.ap, m.ap50, m.ap75, m.ar) for row, m in measured.items()]
    return Table(key, title, columns, cells, note)
