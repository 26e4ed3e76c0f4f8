#!/usr/bin/env bash
# pose-format reads each person of an AlphaPose file as a frame of its own, and leaves out frames without anybody (the
# latter: sign-language-processing/pose issue 230).
#
# Printed on 2026-11-28, Python 3.11, 2 CPU cores:
#     pose-format 0.15.0, numpy 2.4.6
#     ten frames: A at x 100 to 103, none for three frames, then A at x 107 to 109 and B at 300
#     expected: 10 frames of 2 people, with three frames empty, or an error
#     seen:     10 frames of 1 person, x [100, 101, 102, 103, 107, 300, 108, 300, 109, 300]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile \
  pose-format==0.15.0 numpy==2.4.6 scipy==1.17.1 \
  2>"$folder/log" || { cat "$folder/log" >&2; exit 2; }
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pose_format.utils.alphapose import load_alphapose_wholebody_from_json


def person(frame, x):
    # One person of AlphaPose's results: 133 keypoints, all at (x, 50).
    return {"image_id": f"{frame}.jpg", "category_id": 1, "score": 2.5, "keypoints": [x, 50.0, 0.9] * 133}


# Ten frames at 10 per second: A at x 100 + frame in all but frames 4 to 6, B at x 300 in frames 7 to 9.
results = [person(frame, 100.0 + frame) for frame in range(10) if frame not in (4, 5, 6)]
results += [person(frame, 300.0) for frame in (7, 8, 9)]
Path("alphapose-results.json").write_text(json.dumps(results))
pose = load_alphapose_wholebody_from_json("alphapose-results.json", fps=10)
frames, people = pose.body.data.shape[:2]
found = [int(v) for v in np.asarray(pose.body.data)[:, 0, 0, 0]]

print(f"pose-format {version('pose-format')}, numpy {np.__version__}")
print("ten frames: A at x 100 to 103, none for three frames, then A at x 107 to 109 and B at 300")
print("expected: 10 frames of 2 people, with three frames empty, or an error")
print(f"seen:     {frames} frames of {people} person, x {found}")
seen = (frames, people) == (10, 1) and found == [100, 101, 102, 103, 107, 300, 108, 300, 109, 300]
if not seen:
    print("changed")
sys.exit(not seen)
PY
