#!/usr/bin/env bash
# Datumaro's OKS adds up the joints' similarities instead of averaging them, so merging takes different people for one.
#
# Printed on 2026-11-28, Python 3.11, 2 CPU cores:
#     datumaro 1.13.12
#     a person of 17 joints in a box of about 100 x 100 pixels, and the same moved to the right
#     expected: OKS 1.0 with itself, 0.12 moved by 40 pixels; merging at OKS 0.9 leaves 1 and 2 people
#     seen:     OKS 17.0 with itself, 2.06 moved by 40 pixels; merging at OKS 0.9 leaves 1 and 1
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
from datumaro import AnnotationType, Bbox, Dataset, DatasetItem, Image, LabelCategories, Points, PointsCategories
from datumaro.components.merge.intersect_merge import IntersectMerge
from datumaro.util.annotation_util import OKS

logging.disable(logging.WARNING)
JOINTS = 17
joints = np.random.default_rng(0).uniform(100, 200, (JOINTS, 2))


def dataset(joints):
    # One person's joints and box, in one group.
    corner, size = joints.min(0), np.ptp(joints, axis=0)
    annotations = [Points(joints.ravel(), label=0, group=1), Bbox(*corner, *size, label=0, group=1)]
    photo = Image.from_numpy(np.zeros((300, 300, 3), np.uint8))
    names = [str(index) for index in range(JOINTS)]
    return Dataset.from_iterable(
        [DatasetItem(id="photo", media=photo, annotations=annotations)],
        categories={
            AnnotationType.label: LabelCategories.from_iterable(["person"]),
            AnnotationType.points: PointsCategories.from_iterable([(0, names, [])]),
        },
    )


def compare(shift):
    # (Datumaro's OKS, the mean of the same terms, people after merging with a threshold of 0.9).
    other = joints + [shift, 0]
    found = OKS(Points(joints.ravel()), Points(other.ravel()))
    mean = np.exp(-(shift**2) / (2 * np.prod(np.ptp(joints, axis=0)) * (2 * 0.1) ** 2))
    merged = IntersectMerge(conf=IntersectMerge.Conf(pairwise_dist=0.9))(dataset(joints), dataset(other))
    people = sum(a.type == AnnotationType.points for item in merged for a in item.annotations)
    return round(float(found), 2), round(float(mean), 2), people


print(f"datumaro {version('datumaro')}")
print("a person of 17 joints in a box of about 100 x 100 pixels, and the same moved to the right")
same, moved = compare(0), compare(40)
print(f"expected: OKS {same[1]} with itself, {moved[1]} moved by 40 pixels; merging at OKS 0.9 leaves 1 and 2 people")
merged = f"merging at OKS 0.9 leaves {same[2]} and {moved[2]}"
print(f"seen:     OKS {same[0]} with itself, {moved[0]} moved by 40 pixels; {merged}")
seen = same[0] == JOINTS and moved[0] > 1 > moved[1] and (same[2], moved[2]) == (1, 1)
if not seen:
    print("changed")
sys.exit(not seen)
PY
