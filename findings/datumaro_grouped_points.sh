#!/usr/bin/env bash
# Datumaro's COCO export drops people whose points have a group but no box; with neither, they are kept.
#
# Printed on 2026-11-28, Python 3.11, 2 CPU cores:
#     datumaro 1.13.12
#     four people by their head's x, two of them in a group without a box
#     expected: [10.0, 30.0, 50.0, 70.0] in the exported file
#     seen:     [10.0, 30.0], without a warning
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile \
  datumaro==1.13.12 \
  2>"$folder/log" || { cat "$folder/log" >&2; exit 2; }
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import json
import logging
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from datumaro import AnnotationType, Bbox, Dataset, DatasetItem, Image, LabelCategories, Points, PointsCategories

logging.disable(logging.WARNING)


def person(left, group):
    return Points([left, 20, left + 5, 60], [2, 2], label=0, group=group)


people = [
    person(10, group=0),  # no group, no box
    person(30, group=1), Bbox(25, 10, 15, 60, label=0, group=1),  # a group with a box
    person(50, group=2),  # groups of one, as importers number them
    person(70, group=3),
]
photo = Image.from_numpy(np.zeros((100, 100, 3), np.uint8))
dataset = Dataset.from_iterable(
    [DatasetItem(id="photo", subset="train", media=photo, annotations=people)],
    categories={
        AnnotationType.label: LabelCategories.from_iterable(["person"]),
        AnnotationType.points: PointsCategories.from_iterable([(0, ["head", "foot"], [])]),
    },
)
dataset.export("coco", "coco_person_keypoints")
annotations = json.loads(Path("coco/annotations/person_keypoints_train.json").read_text())["annotations"]
found = sorted(a["keypoints"][0] for a in annotations)

print(f"datumaro {version('datumaro')}")
print("four people by their head's x, two of them in a group without a box")
print("expected: [10.0, 30.0, 50.0, 70.0] in the exported file")
print(f"seen:     {found}, without a warning")
seen = found == [10, 30]
if not seen:
    print("changed")
sys.exit(not seen)
PY
