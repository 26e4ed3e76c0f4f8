"""COCO keypoint metrics, computed by faster-coco-eval."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from votepose.skeleton import BODY_SHARE, COCO_17, Skeleton


@dataclass(frozen=True)
class KeypointMetrics:
    """Average precision (AP) over OKS 0.50:0.05:0.95, at 0.50 and 0.75, for medium and large people; average recall."""

    ap: float
    ap50: float
    ap75: float
    ap_m: float
    ap_l: float
    ar: float

    def __str__(self) -> str:
        names = ("AP", "AP50", "AP75", "APM", "APL", "AR")
        values = (self.ap, self.ap50, self.ap75, self.ap_m, self.ap_l, self.ar)
        return " ".join(f"{name} {value:.3f}" for name, value in zip(names, values, strict=True))

    def paper_row(self, name: str, parameters: float) -> str:
        """A Markdown row in the layout of the paper's Table 1; AP in percent, parameters in millions."""
        cells = [f"{100 * v:.1f}" for v in (self.ap50, self.ap75, self.ap_m, self.ap_l)]
        return f"| {name} | {parameters:.1f} | {' | '.join(cells)} |"


def coco_keypoint_metrics(
    annotations: Path | dict[str, Any],
    results: Sequence[dict[str, Any]],
    image_ids: Sequence[int] | None = None,
    most: int = 20,
) -> KeypointMetrics:
    """Metrics of COCO results (image_id, category_id, keypoints, score) against a COCO json.

    Of several categories the first with keypoints is used. Without results or without people all metrics are zero.

    Args:
        annotations: the json, or its path.
        results: in the json's pixels.
        image_ids: measure on these images only; None for all.
        most: people that count in each image, the best by score: 20 in COCO, too few for larger crowds.
    """
    data = json.loads(annotations.read_bytes()) if isinstance(annotations, Path) else annotations
    category = next((c for c in data.get("categories", ()) if c.get("keypoints")), COCO_17.to_coco_category())
    if not results or not data.get("annotations"):
        return KeypointMetrics(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    skeleton, number = Skeleton.from_coco_category(category), category.get("id", 1)
    whole = [_completed({"category_id": number, **annotation}, len(skeleton)) for annotation in data["annotations"]]
    with contextlib.redirect_stdout(io.StringIO()):
        people = [annotation for annotation in whole if annotation["category_id"] == number]
        truth = COCO({**data, "annotations": people, "categories": [{**category, "id": number}]})
        evaluation = COCOeval_faster(truth, truth.loadRes(list(results)), "keypoints")
        evaluation.params.catIds = [number]
        evaluation.params.kpt_oks_sigmas = np.array(skeleton.sigmas)
        evaluation.params.maxDets = [most]
        if image_ids is not None:
            evaluation.params.imgIds = sorted(image_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    stats = [max(0.0, float(v)) for v in evaluation.stats[:6]]
    return KeypointMetrics(*stats)


def _completed(annotation: dict[str, Any], count: int) -> dict[str, Any]:
    """The annotation with all fields that COCO's evaluation reads; ignored if the number of keypoints is wrong."""
    keypoints = list(annotation.get("keypoints") or ())
    if len(keypoints) != 3 * count:
        keypoints = [0] * (3 * count)
    labelled = sum(v > 0 for v in keypoints[2::3])
    box = list(annotation.get("bbox") or ()) or _hull(keypoints)
    area = annotation.get("area") or BODY_SHARE * box[2] * box[3]
    return {"iscrowd": 0, **annotation, "keypoints": keypoints, "num_keypoints": labelled, "bbox": box, "area": area}


def _hull(keypoints: list[float]) -> list[float]:
    """Box (x, y, width, height) of the labelled keypoints."""
    points = np.array(keypoints, float).reshape(-1, 3)
    points = points[points[:, 2] > 0, :2]
    if not len(points):
        return [0.0, 0.0, 0.0, 0.0]
    return [*points.min(axis=0).tolist(), *np.ptp(points, axis=0).tolist()]
