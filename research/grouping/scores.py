"""Scores of what heads found: AP, joints in their own group, people split and merged, by kinds of people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from votepose.data.labelled import LabelledDataset
from votepose.evaluation.coco_metrics import metrics_of
from votepose.evaluation.error_analysis.matched_image import MatchedImage
from votepose.evaluation.error_analysis.scoring import Scorer
from votepose.evaluation.error_analysis.slice_specs import SliceSpec, slice_specs
from votepose.evaluation.error_analysis.slices import slice_people
from votepose.utils.assignment import assign

_MOST = 100  # people of a generated crowd that count


@dataclass
class Found:
    """What one head found in the pictures of a set, and (people, 4) of each picture: own joints, joints, split, merged
    for each way in `REGROUP` of its method."""

    pictures: list[MatchedImage] = field(default_factory=list)
    alone: dict[str, list[np.ndarray]] = field(default_factory=dict)


def judge(labels: np.ndarray, person: np.ndarray, count: int) -> np.ndarray:
    """(count, 4) of each person: joints in its own group, joints, whether it is split, and whether it is merged.

    Its own group is by the best one-to-one match. A person with two joints or more in each of two groups is split;
    people with two joints or more each in one group are merged.

    Args:
        labels: (J,) the group of each joint, -1 for none. person: (J,) whose it is.
    """
    shared = np.zeros((labels.max(initial=-1) + 1, count))
    np.add.at(shared, (labels[labels >= 0], person[labels >= 0]), 1)
    own = np.zeros(count)
    rows, columns = assign(shared)
    own[columns] = shared[rows, columns]
    holds = shared >= 2
    merged = (holds & (holds.sum(axis=1, keepdims=True) >= 2)).any(axis=0)
    return np.stack([own, np.bincount(person, minlength=count), holds.sum(axis=0) >= 2, merged], axis=1)


def ap(found: Found, data: LabelledDataset, most: int = 20) -> dict[str, float]:
    """AP, AP50 and AP75 of a set."""
    assert data.labels is not None
    metrics = metrics_of(data.labels, ((p.sample, p.poses) for p in found.pictures), most)
    return {name: round(getattr(metrics, name), 4) for name in ("ap", "ap50", "ap75")}


def alone(
    pictures: Sequence[MatchedImage], tables: Sequence[np.ndarray], chosen: Callable[[MatchedImage], np.ndarray]
) -> dict[str, float]:
    """Shares over the people that are true in `chosen` (N,) bool: joints in their own group, people split, merged."""
    rows = np.concatenate([t[chosen(p)] for p, t in zip(pictures, tables, strict=True)])
    own, joints, split, merged = rows.sum(axis=0)
    count = max(1, len(rows))
    shares = {"own": own / max(1.0, joints), "split": split / count, "merged": merged / count}
    return {"people": len(rows)} | {name: round(float(share), 4) for name, share in shares.items()}


def summary(found: Found, data: LabelledDataset, size: int, crowded: bool) -> dict[str, Any]:
    """Everything about a head on a set: whole, and by crowd, overlap, size and hidden joints; AP by these where COCO's
    limit of people suits the set, so where it is not `crowded`."""
    result: dict[str, Any] = {"whole": ap(found, data, _MOST if crowded else 20), "alone": {}, "by": {}}
    for way, tables in found.alone.items():
        several = alone(found.pictures, tables, lambda p: np.full(len(p.sample.keypoints), len(p.sample.keypoints) > 1))
        bins = {spec.key: _bins(spec, found.pictures, tables) for spec in slice_specs(size)}
        result["alone"][way] = several | {"by": bins}
    if not crowded:
        limited, scorer = [MatchedImage.of(p.sample, p.poses) for p in found.pictures], Scorer.of(data)
        result["by"] = {s.key: [asdict(x) for x in slice_people(s, limited, scorer)] for s in slice_specs(size)}
    return result


def _bins(spec: SliceSpec, pictures: Sequence[MatchedImage], tables: Sequence[np.ndarray]) -> list[dict[str, Any]]:
    values = [(p, np.digitize(spec.of_labelled(p), spec.edges)) for p in pictures]
    of = {id(p): v for p, v in values}
    rows = [
        {"name": name} | alone(pictures, tables, lambda p, number=number: of[id(p)] == number)  # type: ignore[misc]
        for number, name in enumerate(spec.names)
    ]
    return [row for row in rows if row["people"]]
