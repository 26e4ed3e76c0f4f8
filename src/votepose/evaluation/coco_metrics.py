"""COCO keypoint metrics, computed by faster-coco-eval."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from votepose.data.coco_json.labels import CocoLabels, coco_labels, read_coco_json
from votepose.data.coco_json.values import identity
from votepose.data.sample import Sample
from votepose.errors import VoteposeError
from votepose.evaluation.runner import picture_results
from votepose.poses import Poses


@dataclass(frozen=True)
class KeypointMetrics:
    """Average precision (AP) over OKS 0.50:0.05:0.95, at 0.50 and 0.75, for medium and large people; average recall.

    AP of medium or large people is NaN if there are none.
    """

    ap: float
    ap50: float
    ap75: float
    ap_m: float
    ap_l: float
    ar: float

    def __str__(self) -> str:
        names = ("AP", "AP50", "AP75", "APM", "APL", "AR")
        values = (self.ap, self.ap50, self.ap75, self.ap_m, self.ap_l, self.ar)
        texts = ("-" if math.isnan(value) else f"{value:.3f}" for value in values)
        return " ".join(f"{name} {text}" for name, text in zip(names, texts, strict=True))

    def to_dict(self) -> dict[str, float | None]:
        """A JSON-able dict, which `from_dict` reads; None is NaN."""
        return {name: None if math.isnan(value) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, float | None]) -> KeypointMetrics:
        """The inverse of `to_dict`. Raises TypeError for other names."""
        return cls(**{name: math.nan if value is None else value for name, value in values.items()})

    def paper_row(self, name: str, parameters: float) -> str:
        """A Markdown row in the layout of the paper's Table 1; AP in percent, parameters in millions (0: unknown)."""
        cells = map(in_percent, (self.ap50, self.ap75, self.ap_m, self.ap_l))
        return f"| {name} | {f'{parameters:.1f}' if parameters else '?'} | {' | '.join(cells)} |"


def coco_keypoint_metrics(
    annotations: CocoLabels | Path | dict[str, Any],
    results: Sequence[dict[str, Any]],
    image_ids: Sequence[int | str] | None = None,
    most: int = 20,
) -> KeypointMetrics:
    """Evaluate COCO results (image_id, category_id, keypoints, score) against labels.

    Without results or without people all metrics are zero.

    Args:
        annotations: labels from `load_labelled`, a COCO json or its path; see `coco_labels` for the accepted forms.
        results: in the json's pixels.
        image_ids: images to measure on; None for all.
        most: maximum number of people that count per image, by score: 20 in COCO, too few for larger crowds.

    Raises:
        VoteposeError: if a result or one of `image_ids` refers to an image that the labels lack.
    """
    if isinstance(annotations, Path):
        annotations = read_coco_json(annotations)
    labels = annotations if isinstance(annotations, CocoLabels) else coco_labels(annotations)
    if not results or not any(picture.annotations for picture in labels.pictures.values()):
        return KeypointMetrics(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    from faster_coco_eval import COCO, COCOeval_faster  # training without --val does not need it

    order = sorted(labels.pictures, key=lambda key: (isinstance(key, str), key))
    numbers = {key: number for number, key in enumerate(order, start=1)}
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(_truth(labels, numbers))
        evaluation = COCOeval_faster(truth, truth.loadRes(_found(labels, results, numbers)), "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(labels.skeleton.sigmas)
        evaluation.params.maxDets = [most]
        if image_ids is not None:
            evaluation.params.imgIds = sorted(_number(numbers, image_id) for image_id in image_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    # COCO's value for what is undefined, since there are no such people, is -1.
    ap, ap50, ap75, ap_m, ap_l, ar = (float(v) for v in evaluation.stats[:6])
    ap_m, ap_l = (math.nan if v < 0 else v for v in (ap_m, ap_l))
    return KeypointMetrics(max(0.0, ap), max(0.0, ap50), max(0.0, ap75), ap_m, ap_l, max(0.0, ar))


def metrics_of(labels: CocoLabels, found: Iterable[tuple[Sample, Poses]], most: int = 20) -> KeypointMetrics:
    """`coco_keypoint_metrics` of the people found in images, measured on these images."""
    pairs, category = list(found), labels.people.category_id
    results = [entry for sample, poses in pairs for entry in picture_results(poses, sample, category)]
    return coco_keypoint_metrics(labels, results, [sample.image_id for sample, _ in pairs], most)


def in_percent(metric: float) -> str:
    """Such as "51.2", or "-" for NaN."""
    return "-" if math.isnan(metric) else f"{100 * metric:.1f}"


def _truth(labels: CocoLabels, numbers: dict[int | str, int]) -> dict[str, Any]:
    """The labels as a COCO json with ids 1, 2, …, since COCO's evaluation treats a match with id 0 as none."""
    people = [
        {
            "id": annotation.number,
            "image_id": numbers[key],
            "category_id": 1,
            "iscrowd": int(annotation.crowd),
            "keypoints": annotation.keypoints.ravel().tolist(),
            "num_keypoints": len(annotation.labelled),
            "bbox": annotation.box.tolist(),
            "area": annotation.area,
        }
        for key, picture in labels.pictures.items()
        for annotation in picture.annotations
    ]
    category = labels.skeleton.to_coco_category() | {"id": 1}
    return {"images": [{"id": n} for n in numbers.values()], "annotations": people, "categories": [category]}


def _found(
    labels: CocoLabels, results: Sequence[dict[str, Any]], numbers: dict[int | str, int]
) -> list[dict[str, Any]]:
    """The results for people, with the ids of `_truth`."""
    return [
        {
            "image_id": _number(numbers, result["image_id"]),
            "category_id": 1,
            "keypoints": result["keypoints"],
            "score": result["score"],
        }
        for result in results
        if labels.people.include(result)
    ]


def _number(numbers: dict[int | str, int], image_id: int | str) -> int:
    key = identity(image_id)
    if key not in numbers:
        raise VoteposeError(f"results for image {image_id!r}, which the labels do not list")
    return numbers[key]
