#!/usr/bin/env bash
# Datumaro's crop moves joints that it cuts off onto the crop's edge and still marks them visible.
#
# Printed on 2026-11-28, Python 3.11, 2 CPU cores:
#     datumaro 1.13.12
#     joints as (x, y, visibility): [(20, 50, 2), (90, 50, 2), (0, 0, 0)], cropped to x < 50
#     expected: the second joint is outside: visibility 0 (or at least its true place, x 90)
#     seen:     [(20.0, 50.0, 2), (50.0, 50.0, 2), (0.0, 0.0, 0)]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile \
  datumaro==1.13.12 \
  2>"$folder/log" || { cat "$folder/log" >&2; exit 2; }
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import logging
import sys
from importlib.metadata import version

import numpy as np
from datumaro import AnnotationType, Dataset, DatasetItem, Image, LabelCategories, Points, PointsCategories

logging.disable(logging.WARNING)
# Three joints at y 50 in a 100 x 100 image, cropped to its left half; the third is not labelled.
person = Points([20, 50, 90, 50, 0, 0], [2, 2, 0], label=0)
dataset = Dataset.from_iterable(
    [DatasetItem(id="photo", media=Image.from_numpy(np.zeros((100, 100, 3), np.uint8)), annotations=[person])],
    categories={
        AnnotationType.label: LabelCategories.from_iterable(["person"]),
        AnnotationType.points: PointsCategories.from_iterable([(0, ["left", "right", "none"], [])]),
    },
)
dataset.transform("crop", x=0, y=0, width=50, height=100)
[item] = dataset
[cropped] = item.annotations
found = [(x, y, int(v)) for x, y, v in zip(cropped.points[::2], cropped.points[1::2], cropped.visibility)]

print(f"datumaro {version('datumaro')}")
print("joints as (x, y, visibility): [(20, 50, 2), (90, 50, 2), (0, 0, 0)], cropped to x < 50")
print("expected: the second joint is outside: visibility 0 (or at least its true place, x 90)")
print(f"seen:     {found}")
seen = found == [(20, 50, 2), (50, 50, 2), (0, 0, 0)]
if not seen:
    print("changed")
sys.exit(not seen)
PY
