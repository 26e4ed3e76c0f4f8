"""COCO metrics: those of pycocotools, to the digit."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from votepose.data.coco_writer import to_coco_json
from votepose.data.toy import synthetic_dataset
from votepose.evaluation.coco_metrics import KeypointMetrics, coco_keypoint_metrics
from votepose.skeleton import COCO_17


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    """Drawn people, medium and large; every seventh is a crowd, every fifth has no labelled keypoint."""
    data = to_coco_json(synthetic_dataset(30, 256, people=(1, 4)))
    for k, annotation in enumerate(data["annotations"]):
        if k % 7 == 6:
            annotation["iscrowd"] = 1
        if k % 5 == 4:
            annotation |= {"keypoints": [0] * 51, "num_keypoints": 0}
    return data


def noisy(truth: dict[str, Any], noise: float, seed: int = 0) -> list[dict[str, Any]]:
    """Results near the truth, with some people missed, some found twice and some false detections."""
    rng = np.random.default_rng(seed)
    results = []
    for annotation in truth["annotations"]:
        points = np.array(annotation["keypoints"], float).reshape(-1, 3)
        for _ in range(rng.choice([0, 1, 1, 1, 2])):
            moved = points[:, :2] + rng.normal(0, noise * np.sqrt(annotation["area"]), (len(points), 2))
            keypoints = np.concatenate([moved, np.ones((len(points), 1))], axis=1).ravel().tolist()
            entry = {"image_id": annotation["image_id"], "category_id": annotation["category_id"]}
            results.append({**entry, "keypoints": keypoints, "score": float(rng.random())})
    return results


def reference(
    truth: dict[str, Any], results: list[dict[str, Any]], image_ids: Sequence[int] | None = None
) -> np.ndarray:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = copy.deepcopy(truth)
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(copy.deepcopy(results)), "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(truth["categories"][0]["sigmas"])
        if image_ids:
            evaluation.params.imgIds = list(image_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[:6]


def values(metrics: KeypointMetrics) -> list[float]:
    return [metrics.ap, metrics.ap50, metrics.ap75, metrics.ap_m, metrics.ap_l, metrics.ar]


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.08])
@pytest.mark.parametrize("image_ids", [None, [3, 1, 7, 20, 21]])
def test_equal_to_pycocotools(truth: dict[str, Any], noise: float, image_ids: list[int] | None) -> None:
    results = noisy(truth, noise)
    ours = values(coco_keypoint_metrics(truth, results, image_ids))
    assert 0 < ours[0] < 1
    expected = np.array(reference(truth, results, image_ids))  # -1 is undefined
    np.testing.assert_allclose(ours, np.where(expected < 0, np.nan, expected), atol=1e-6)


def test_ap_of_sizes_that_nobody_has_is_undefined(truth: dict[str, Any]) -> None:
    metrics = coco_keypoint_metrics(truth, noisy(truth, 0.02), [3, 1, 7, 20, 21])
    assert math.isnan(metrics.ap_l)
    assert "APL - AR" in str(metrics)
    assert metrics.paper_row("x", 1.0).endswith(" | - |")
    assert json.loads(json.dumps(metrics.to_dict(), allow_nan=False))["ap_l"] is None
    assert math.isnan(KeypointMetrics.from_dict(metrics.to_dict()).ap_l)


def test_equal_to_pycocotools_with_sigmas_of_their_own(truth: dict[str, Any]) -> None:
    names = [f"part_{k}" for k in range(17)]
    sigmas = [0.02 + 0.01 * k for k in range(17)]
    category = {"id": 4, "name": "beetle", "keypoints": names, "skeleton": [], "sigmas": sigmas}
    own = copy.deepcopy(truth) | {"categories": [category]}
    for annotation in own["annotations"]:
        annotation["category_id"] = 4
    results = noisy(own, 0.05)
    np.testing.assert_allclose(values(coco_keypoint_metrics(own, results)), reference(own, results), atol=1e-6)
    assert coco_keypoint_metrics(own, results).ap != coco_keypoint_metrics(truth, noisy(truth, 0.05)).ap


def test_perfect_results_measure_one(truth: dict[str, Any]) -> None:
    people = [a for a in truth["annotations"] if a["num_keypoints"] and not a["iscrowd"]]
    results = [{**{k: a[k] for k in ("image_id", "category_id", "keypoints")}, "score": 1.0} for a in people]
    assert values(coco_keypoint_metrics(truth, results)) == pytest.approx([1.0] * 6)


def test_nothing_measures_zero(truth: dict[str, Any]) -> None:
    assert values(coco_keypoint_metrics(truth, [])) == [0.0] * 6
    assert values(coco_keypoint_metrics({**truth, "annotations": []}, noisy(truth, 0.1))) == [0.0] * 6


def test_annotations_may_lack_what_can_be_worked_out(truth: dict[str, Any]) -> None:
    bare = copy.deepcopy(truth)
    for annotation in bare["annotations"]:
        del annotation["num_keypoints"]
        if not annotation["iscrowd"]:
            del annotation["iscrowd"]
    bare["annotations"].append({"id": 999, "image_id": 1, "category_id": 1, "keypoints": [1, 2, 2]})
    bare["annotations"].append({"id": 998, "image_id": 1, "category_id": 8, "bbox": [1, 2, 2, 2]})
    bare["categories"].append({"id": 8, "name": "bicycle"})
    results = noisy(truth, 0.05)
    assert coco_keypoint_metrics(bare, results) == coco_keypoint_metrics(truth, results)


def test_a_json_may_be_a_file(truth: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(truth))
    results = noisy(truth, 0.05)
    assert coco_keypoint_metrics(path, results) == coco_keypoint_metrics(truth, results)


def test_text_and_table_row() -> None:
    metrics = KeypointMetrics(0.1234, 0.5, 0.25, 0.0, 1.0, 0.6666)
    assert str(metrics) == "AP 0.123 AP50 0.500 AP75 0.250 APM 0.000 APL 1.000 AR 0.667"
    assert metrics.paper_row("Ours", 8.64) == "| Ours | 8.6 | 50.0 | 25.0 | 0.0 | 100.0 |"
    assert metrics.paper_row("Ours", 0) == "| Ours | ? | 50.0 | 25.0 | 0.0 | 100.0 |"


def test_the_skeleton_is_cocos_by_default(truth: dict[str, Any]) -> None:
    results = noisy(truth, 0.05)
    plain = copy.deepcopy(truth)
    plain["categories"] = [{"id": 1, "name": "person", "keypoints": list(COCO_17.names)}]
    assert coco_keypoint_metrics(plain, results) == coco_keypoint_metrics(truth, results)
