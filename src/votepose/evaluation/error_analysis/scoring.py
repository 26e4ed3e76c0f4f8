"""Computes COCO's AP of changed detections and of subsets of people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from votepose.data.coco_json.labels import CocoLabels
from votepose.data.labelled import LabelledDataset
from votepose.data.sample import Sample
from votepose.evaluation.coco_metrics import KeypointMetrics, metrics_of
from votepose.evaluation.error_analysis.matched_image import MatchedImage
from votepose.poses import Poses


@dataclass(frozen=True)
class Scorer:
    """Measures detections on a dataset as `votepose evaluate` does.

    Attributes:
        labels: labels of the dataset's json.
        numbers: for each image, the annotation numbers of its sample's rows, in order.
    """

    labels: CocoLabels
    numbers: dict[int | str, list[int]]

    @classmethod
    def of(cls, dataset: LabelledDataset) -> Scorer:
        """Create it for a dataset from `load_labelled`."""
        assert dataset.labels is not None
        pictures = dataset.labels.pictures.values()
        return cls(dataset.labels, {p.image_id: [a.number for a in p.annotations if a.is_person] for p in pictures})

    def all(self, found: Iterable[tuple[Sample, Poses]], ignored: Sequence[int] = ()) -> KeypointMetrics:
        """Metrics of the people found in images, on these images.

        People with a number in `ignored` do not count, nor do detections of them.
        """
        return metrics_of(self.labels.ignoring(set(ignored)), found)

    def changed(self, pictures: Sequence[MatchedImage], change: Callable[[MatchedImage], Poses]) -> KeypointMetrics:
        """Metrics of the people that `change` returns for each image."""
        return self.all((picture.sample, change(picture)) for picture in pictures)

    def without(
        self, pictures: Sequence[MatchedImage], people: Callable[[MatchedImage], np.ndarray]
    ) -> KeypointMetrics:
        """Metrics that ignore the labelled people selected by `people` (N,) bool in each image."""
        return self.all(((p.sample, p.poses) for p in pictures), self.numbers_of(pictures, people))

    def numbers_of(self, pictures: Sequence[MatchedImage], people: Callable[[MatchedImage], np.ndarray]) -> list[int]:
        """The numbers of the people selected by `people` (N,) bool."""
        return [
            number
            for picture in pictures
            for number, chosen in zip(self.numbers[picture.sample.image_id], people(picture), strict=True)
            if chosen
        ]
