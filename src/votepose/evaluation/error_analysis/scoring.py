"""COCO's AP of changed detections, and of subsets of the people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from votepose.data.coco import CocoDataset, Sample
from votepose.errors import VoteposeError
from votepose.evaluation.coco_metrics import KeypointMetrics, coco_keypoint_metrics
from votepose.evaluation.error_analysis.pictures import Picture
from votepose.evaluation.runner import picture_results
from votepose.poses import Poses


@dataclass(frozen=True)
class Scorer:
    """Measures people found in a dataset's pictures as `votepose evaluate` does.

    Attributes:
        truth: the dataset's json.
        category_id: of people in it.
        ids: for each picture, the ids of the json annotations that are rows of its sample, in their order.
    """

    truth: dict[str, Any]
    category_id: int
    ids: dict[int, list[int]]

    @classmethod
    def of(cls, dataset: CocoDataset) -> Scorer:
        """Raises VoteposeError if the json has changed since it was loaded."""
        assert dataset.annotations is not None
        truth = json.loads(dataset.annotations.read_bytes())
        ids: dict[int, list[int]] = {sample.image_id: [] for sample in dataset.samples}
        numbered = [
            {**annotation, "id": number} for number, annotation in enumerate(truth.get("annotations") or [], start=1)
        ]
        for annotation in numbered:
            image, category = annotation.get("image_id"), annotation.get("category_id", dataset.category_id)
            if (
                isinstance(image, int)
                and image in ids
                and category == dataset.category_id
                and _is_person(annotation, len(dataset.skeleton))
            ):
                ids[image].append(annotation["id"])
        if any(len(ids[sample.image_id]) != len(sample.keypoints) for sample in dataset.samples):
            raise VoteposeError(f"{dataset.annotations}: changed to another file while it was used; start again")
        return cls({**truth, "annotations": numbered}, dataset.category_id, ids)

    def all(self, found: Iterable[tuple[Sample, Poses]], ignored: Sequence[int] = ()) -> KeypointMetrics:
        """Metrics of the people found in pictures, on these pictures.

        The people that `ignored` (json ids) lists do not count, nor do those who are found there.
        """
        pairs = list(found)
        results = [entry for sample, poses in pairs for entry in picture_results(poses, sample, self.category_id)]
        unwanted = set(ignored)
        annotations = [{**a, "iscrowd": 1} if a["id"] in unwanted else a for a in self.truth["annotations"]]
        images = [sample.image_id for sample, _ in pairs]
        return coco_keypoint_metrics({**self.truth, "annotations": annotations}, results, images)

    def changed(self, pictures: Sequence[Picture], change: Callable[[Picture], Poses]) -> KeypointMetrics:
        """Metrics of the people that `change` returns for each picture."""
        return self.all((picture.sample, change(picture)) for picture in pictures)

    def without(self, pictures: Sequence[Picture], people: Callable[[Picture], np.ndarray]) -> KeypointMetrics:
        """Metrics where the people of each picture that are true in `people` (N,) bool need not be found."""
        return self.all(((p.sample, p.poses) for p in pictures), self.json_ids(pictures, people))

    def json_ids(self, pictures: Sequence[Picture], people: Callable[[Picture], np.ndarray]) -> list[int]:
        """The json ids of the people that are true in `people` (N,) bool."""
        return [
            number
            for picture in pictures
            for number, chosen in zip(self.ids[picture.sample.image_id], people(picture), strict=True)
            if chosen
        ]


def _is_person(annotation: dict[str, Any], joints: int) -> bool:
    """Whether `load_coco` makes it a row of a sample: it has labelled joints, and is no crowd."""
    values = annotation.get("keypoints")
    if annotation.get("iscrowd") or not isinstance(values, list) or len(values) != 3 * joints:
        return False
    points = np.array(values, np.float32).reshape(joints, 3)
    return bool((np.isfinite(points).all(axis=1) & (points[:, 2] > 0)).any())
