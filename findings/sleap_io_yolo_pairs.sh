#!/usr/bin/env bash
# sleap-io reads YOLO pose labels without visibilities (kpt_shape [17, 2]) as polygons: no person is left, and no
# warning is given.
#
# Printed on 2026-11-28, Python 3.11, 2 CPU cores:
#     sleap-io 0.9.5
#     one image, one person of 17 joints: (people, polygons' corners, warnings)
#     kpt_shape [17, 3]: (1, [], 0)
#     expected of kpt_shape [17, 2]: the same, as data.yaml declares it
#     seen of kpt_shape [17, 2]:     (0, [19], 0): the box's centre and size became two corners
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile \
  sleap-io==0.9.5 numpy==2.4.6 \
  2>"$folder/log" || { cat "$folder/log" >&2; exit 2; }
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys
import warnings
from pathlib import Path

import numpy as np
import sleap_io
import yaml
from PIL import Image

joints = np.linspace(0.1, 0.9, 34).reshape(17, 2).round(3)


def load(dims):
    # (people, polygons, warnings) of a data set with one image and one person of 17 joints.
    folder = Path(f"kpt_shape_{dims}")
    for name in ("images", "labels"):
        (folder / "train" / name).mkdir(parents=True)
    Image.new("RGB", (100, 100)).save(folder / "train/images/photo.png")
    values = joints if dims == 2 else np.c_[joints, np.full(17, 2)]
    row = " ".join(f"{v:g}" for v in [0, 0.5, 0.5, 0.8, 0.8, *values.ravel()])
    (folder / "train/labels/photo.txt").write_text(row + "\n")
    config = {"path": ".", "train": "train/images", "names": {0: "person"}, "kpt_shape": [17, dims]}
    (folder / "data.yaml").write_text(yaml.safe_dump(config))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        labels = sleap_io.load_ultralytics(str(folder), split="train")
    frames = labels.labeled_frames
    polygons = [roi for frame in frames for roi in frame.rois]
    people = sum(len(frame.instances) for frame in frames)
    return people, [len(polygon.geometry.exterior.coords) - 1 for polygon in polygons], len(caught)


print(f"sleap-io {sleap_io.__version__}")
print("one image, one person of 17 joints: (people, polygons' corners, warnings)")
three, two = load(3), load(2)
print(f"kpt_shape [17, 3]: {three}")
print("expected of kpt_shape [17, 2]: the same, as data.yaml declares it")
print(f"seen of kpt_shape [17, 2]:     {two}: the box's centre and size became two corners")
seen = three == (1, [], 0) and two == (0, [19], 0)
if not seen:
    print("changed")
sys.exit(not seen)
PY
