"""The two questions, asked of trained heads: grouping alone, of joints that are given, and people found."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from research.grouping.decode import FIND, REGROUP, WAYS, Candidates, People
from research.grouping.features import Trunk
from research.grouping.heads import JOINTS, Head
from votepose.data.coco import CocoDataset
from votepose.data.sample import Sample
from votepose.evaluation.coco_metrics import coco_keypoint_metrics
from votepose.evaluation.error_analysis.pictures import Picture
from votepose.evaluation.error_analysis.scoring import Scorer
from votepose.evaluation.error_analysis.slice_specs import SliceSpec, slice_specs
from votepose.evaluation.error_analysis.slices import slice_people
from votepose.evaluation.runner import picture_results
from votepose.letterbox import Letterbox
from votepose.oks import oks_nms
from votepose.poses import Poses
from votepose.skeleton import COCO_17
from votepose.utils.assignment import assign

SCORES = ("own", "joints", "both")  # a person's score: the method's own, its joints' mean likelihood, the root of both
_DUPLICATE = 0.7  # OKS, as in `PoseEstimator`
_MOST = 100  # people of a generated crowd that count


@dataclass(frozen=True)
class Settings:
    """How a method's outputs become people: see `decode.LIMITS` and `SCORES`; `alone` is for joints that are given."""

    least: float
    limit: float
    score: str
    alone: float


@dataclass
class Found:
    """What one head found in the pictures of a set, and (people, 4) of each picture: own joints, joints, split, merged
    for each way in `REGROUP` of its method."""

    pictures: list[Picture] = field(default_factory=list)
    alone: dict[str, list[np.ndarray]] = field(default_factory=dict)


Job = tuple[str, Head, Settings]  # a method, a head that was trained for it, and how it is read


def measure(data: CocoDataset, trunk: Trunk, size: int, jobs: Mapping[str, Job]) -> dict[str, Found]:
    """Run every job on every picture: the trunk once, each head once."""
    found = {name: Found() for name in jobs}
    for sample in data.samples:
        box, features, maps = trunk.of_picture(sample.image, size)
        shot = _Shot(sample, box, trunk.stride, features, Candidates.of(maps))
        for name, (method, head, settings) in jobs.items():
            people = shot.find(method, head, settings.least, settings.limit)
            found[name].pictures.append(Picture(sample, shot.poses(people, settings.score)))
            for way, table in shot.regroup(method, head, settings.alone).items():
                found[name].alone.setdefault(way, []).append(table)
    return found


class _Shot:
    """A picture, and what heads said of it: nothing is computed twice for jobs that differ in little."""

    def __init__(self, sample: Sample, box: Letterbox, stride: int, features: Tensor, seen: Candidates) -> None:
        self.sample, self.box, self.stride, self.seen = sample, box, stride, seen
        self._output = functools.cache(torch.no_grad()(lambda head: head(features)))
        self.find, self.regroup = functools.cache(self._find), functools.cache(self._regroup)

    def _find(self, method: str, head: Head, least: float, limit: float) -> People:
        people = FIND[method](self._output(head), self.seen, least, limit)
        likely = self.seen.at(people.poses).mean(axis=1)
        middle = np.nanmean(people.poses, axis=1, keepdims=True) if len(people.poses) else people.poses
        poses = np.where(np.isnan(people.poses), middle, people.poses).astype(np.float32)
        return People(poses, np.stack([people.scores, likely, np.sqrt(people.scores * likely)], axis=1))

    def poses(self, people: People, score: str) -> Poses:
        """The people without duplicates, in the picture's pixels, best first."""
        scores = people.scores[:, SCORES.index(score)]
        kept = oks_nms(people.poses, scores, np.zeros(len(scores)), COCO_17.kappas, _DUPLICATE) & (scores > 0)
        order = np.flatnonzero(kept)[np.argsort(-scores[kept], kind="stable")]
        ones = np.ones((len(order), JOINTS))
        keypoints = self.box.to_image(people.poses[order], self.stride)
        return Poses(keypoints, ones, ones > 0, scores[order].clip(0, 1), COCO_17, (self.box.width, self.box.height))

    def _regroup(self, method: str, head: Head, limit: float) -> dict[str, np.ndarray]:
        person, joint = np.nonzero(self.sample.keypoints[..., 2] > 0)
        if not len(person):
            return {way: np.zeros((0, 4)) for way in WAYS[method]}
        points = self.box.to_map(self.sample.keypoints[person, joint, :2], self.stride)
        labels = {way: REGROUP[way](self._output(head), points, joint, limit) for way in WAYS[method]}
        return {way: judge(of, person, len(self.sample.keypoints)) for way, of in labels.items()}


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


def ap(found: Found, data: CocoDataset, most: int = 20) -> dict[str, float]:
    """AP, AP50 and AP75 of a set."""
    assert data.labels is not None
    results = [entry for p in found.pictures for entry in picture_results(p.poses, p.sample, data.category_id)]
    metrics = coco_keypoint_metrics(data.labels, results, [p.sample.image_id for p in found.pictures], most)
    return {name: round(getattr(metrics, name), 4) for name in ("ap", "ap50", "ap75")}


def alone(
    pictures: Sequence[Picture], tables: Sequence[np.ndarray], chosen: Callable[[Picture], np.ndarray]
) -> dict[str, float]:
    """Shares over the people that are true in `chosen` (N,) bool: joints in their own group, people split, merged."""
    rows = np.concatenate([t[chosen(p)] for p, t in zip(pictures, tables, strict=True)])
    own, joints, split, merged = rows.sum(axis=0)
    count = max(1, len(rows))
    shares = {"own": own / max(1.0, joints), "split": split / count, "merged": merged / count}
    return {"people": len(rows)} | {name: round(float(share), 4) for name, share in shares.items()}


def summary(found: Found, data: CocoDataset, size: int, crowded: bool) -> dict[str, Any]:
    """Everything about a head on a set: whole, and by crowd, overlap, size and hidden joints; AP by these where COCO's
    limit of people suits the set, so where it is not `crowded`."""
    result: dict[str, Any] = {"whole": ap(found, data, _MOST if crowded else 20), "alone": {}, "by": {}}
    for way, tables in found.alone.items():
        several = alone(found.pictures, tables, lambda p: np.full(len(p.sample.keypoints), len(p.sample.keypoints) > 1))
        bins = {spec.key: _bins(spec, found.pictures, tables) for spec in slice_specs(size)}
        result["alone"][way] = several | {"by": bins}
    if not crowded:
        limited, scorer = [Picture.of(p.sample, p.poses) for p in found.pictures], Scorer.of(data)
        result["by"] = {s.key: [asdict(x) for x in slice_people(s, limited, scorer)] for s in slice_specs(size)}
    return result


def _bins(spec: SliceSpec, pictures: Sequence[Picture], tables: Sequence[np.ndarray]) -> list[dict[str, Any]]:
    values = [(p, np.digitize(spec.of_labelled(p), spec.edges)) for p in pictures]
    of = {id(p): v for p, v in values}
    rows = [
        {"name": name} | alone(pictures, tables, lambda p, number=number: of[id(p)] == number)  # type: ignore[misc]
        for number, name in enumerate(spec.names)
    ]
    return [row for row in rows if row["people"]]
