"""COCO keypoint metrics, by faster-coco-eval."""

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

from votepose.skeleton import Skeleton


@dataclass(frozen=True)
class KeypointMetrics:
    """Average precision over OKS 0.50:0.05:0.95, at 0.50 and 0.75, of medium and large people; average recall."""

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


def coco_keypoint_metrics(annotations: Path | dict[str, Any], results: Sequence[dict[str, Any]],
                          image_ids: Sequence[int] | None = None) -> KeypointMetrics:  # fmt: skip
    """Metrics of COCO results (image_id, category_id, keypoints, score) against a COCO json, on the images given."""
    data = json.loads(annotations.read_text()) if isinstance(annotations, Path) else annotations
    if not results:
        return KeypointMetrics(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    category = next((c for c in data["categories"] if c.get("keypoints")), None)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(data)
        evaluation = COCOeval_faster(truth, truth.loadRes(list(results)), "keypoints")
        if category is not None:
            evaluation.params.kpt_oks_sigmas = np.array(Skeleton.from_coco_category(category).sigmas)
        if image_ids is not None:
            evaluation.params.imgIds = list(image_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    stats = [max(0.0, float(v)) for v in evaluation.stats[:6]]
    return KeypointMetrics(*stats)
