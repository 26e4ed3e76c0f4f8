"""Runs trained heads over pictures, for both questions: which joints belong together, and who is there."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from research.grouping.candidates import Candidates
from research.grouping.decode import FIND, People
from research.grouping.features import Trunk
from research.grouping.heads import JOINTS, Head
from research.grouping.regroup import REGROUP
from research.grouping.scores import Found, judge
from votepose.data.labelled import LabelledDataset
from votepose.data.sample import Sample
from votepose.evaluation.error_analysis.matched_image import MatchedImage
from votepose.letterbox import Letterbox
from votepose.oks import oks_nms
from votepose.poses import Poses
from votepose.skeleton import COCO_17

SCORES = ("own", "joints", "both")  # a person's score: the method's own, its joints' mean likelihood, the root of both
_DUPLICATE = 0.7  # OKS, as in `PoseEstimator`


@dataclass(frozen=True)
class Settings:
    """How a method's outputs become people: see `decode.LIMITS` and `SCORES`.

    `alone` holds the constant of each way in `REGROUP` that true joints are grouped by.
    """

    least: float
    limit: float
    score: str
    alone: Mapping[str, float]


Job = tuple[str, Head, Settings]  # a method, a head that was trained for it, and how it is read


def measure(data: LabelledDataset, trunk: Trunk, size: int, kept: Path, jobs: Mapping[str, Job]) -> dict[str, Found]:
    """Run every job on every picture, each head once; `kept` is a folder for the trunk's features."""
    found = {name: Found() for name in jobs}
    for sample in data.samples:
        box, features, maps = trunk.of_picture(sample.image, size, kept / f"{sample.image_id}.pt")
        shot = _Shot(sample, box, trunk.stride, features, Candidates.of(maps))
        for name, (method, head, settings) in jobs.items():
            people = shot.find(method, head, settings.least, settings.limit)
            found[name].pictures.append(MatchedImage(sample, shot.poses(people, settings.score)))
            for way, limit in settings.alone.items():
                found[name].alone.setdefault(way, []).append(shot.regroup(way, head, limit))
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

    def _regroup(self, way: str, head: Head, limit: float) -> np.ndarray:
        person, joint = np.nonzero(self.sample.keypoints[..., 2] > 0)
        if not len(person):
            return np.zeros((0, 4))
        points = self.box.to_map(self.sample.keypoints[person, joint, :2], self.stride)
        labels = REGROUP[way](self._output(head), points, joint, limit)
        return judge(labels, person, len(self.sample.keypoints))
