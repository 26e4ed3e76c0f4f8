#!/usr/bin/env bash
# faster-coco-eval counts annotations with negative ids as unmatched; pycocotools does not.
#
# Printed on 2026-11-27, Python 3.11, 2 CPU cores:
#     faster-coco-eval 1.8.0, pycocotools 2.0.11
#     keypoint AP of results that equal the ground truth
#     ids (1, 2): pycocotools 1.0, faster-coco-eval 1.0 (0 warnings)
#     ids (-1, 2): pycocotools 1.0, faster-coco-eval 0.252 (0 warnings)
#     ids (-1, -2): pycocotools 1.0, faster-coco-eval 0.0 (0 warnings)
#     expected: 1.0 everywhere; ids only name annotations, and hashes as signed integers are often negative
#     seen:     faster-coco-eval takes a match with a negative id for no match, without a warning
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet faster-coco-eval==1.8.0 pycocotools==2.0.11 numpy==2.4.6 \
  2>"$folder/log" || { cat "$folder/log" >&2; exit 2; }
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import contextlib
import io
import sys
import warnings
from importlib.metadata import version

import faster_coco_eval
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

CORNERS = (10, 300)  # two people, far apart


def joints(corner):
    return [value for joint in range(17) for value in (corner + 3 * joint, 20 + 5 * joint, 2)]


def truth(ids):
    people = [
        {"id": number, "image_id": 1, "category_id": 1, "keypoints": joints(corner), "num_keypoints": 17,
         "bbox": [corner, 20, 50, 80], "area": 4000, "iscrowd": 0}
        for number, corner in zip(ids, CORNERS, strict=True)
    ]
    category = {"id": 1, "name": "person", "keypoints": [str(joint) for joint in range(17)], "skeleton": []}
    return {"images": [{"id": 1, "width": 640, "height": 480}], "categories": [category], "annotations": people}


def ap(coco_class, eval_class, ids):
    found = [{"image_id": 1, "category_id": 1, "keypoints": joints(corner), "score": 0.9} for corner in CORNERS]
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        coco = coco_class()
        coco.dataset = truth(ids)
        coco.createIndex()
        evaluation = eval_class(coco, coco.loadRes(found), "keypoints")
        evaluation.evaluate(), evaluation.accumulate(), evaluation.summarize()
    return round(float(evaluation.stats[0]), 3), len(warned)


print(", ".join(f"{name} {version(name)}" for name in ("faster-coco-eval", "pycocotools")))
print("keypoint AP of results that equal the ground truth")
seen = True
for ids, wanted in (((1, 2), 1.0), ((-1, 2), 0.252), ((-1, -2), 0.0)):
    slow, _ = ap(COCO, COCOeval, ids)
    fast, warned = ap(faster_coco_eval.COCO, faster_coco_eval.COCOeval_faster, ids)
    print(f"ids {ids}: pycocotools {slow}, faster-coco-eval {fast} ({warned} warnings)")
    seen &= slow == 1.0 and abs(fast - wanted) < 0.002 and warned == 0
print("expected: 1.0 everywhere; ids only name annotations, and hashes as signed integers are often negative")
print("seen:     faster-coco-eval takes a match with a negative id for no match, without a warning" if seen else "changed")
sys.exit(not seen)
PY
