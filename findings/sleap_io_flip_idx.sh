#!/usr/bin/env bash
# sleap-io's YOLO pose export writes a flip_idx that swaps nothing, though the skeleton knows its left-right pairs.
#
# Printed on 2026-11-28, Python 3.11, 2 CPU cores:
#     sleap-io 0.9.5
#     joints ['nose', 'left_eye', 'right_eye', 'left_wrist', 'right_wrist'], symmetric pairs [(1, 2), (3, 4)]
#     expected: flip_idx [0, 2, 1, 4, 3] in data.yaml
#     seen:     flip_idx [0, 1, 2, 3, 4]: in a mirrored training image, the right wrist is trained as the left
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile \
  sleap-io==0.9.5 numpy==2.4.6 \
  2>"$folder/log" || { cat "$folder/log" >&2; exit 2; }
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import contextlib
import io
import sys
from pathlib import Path

import numpy as np
import sleap_io
import yaml
from PIL import Image

JOINTS = ["nose", "left_eye", "right_eye", "left_wrist", "right_wrist"]
skeleton = sleap_io.Skeleton(JOINTS, symmetries=[("left_eye", "right_eye"), ("left_wrist", "right_wrist")])
joints = np.array([[50, 20], [55, 15], [45, 15], [80, 60], [20, 60]], float)
frames = []
for index in range(2):
    Image.new("RGB", (100, 100)).save(f"{index}.png")
video = sleap_io.load_video(["0.png", "1.png"])
for index in range(2):
    person = sleap_io.Instance.from_numpy(joints, skeleton=skeleton)
    frames.append(sleap_io.LabeledFrame(video=video, frame_idx=index, instances=[person]))
with contextlib.redirect_stderr(io.StringIO()):
    sleap_io.Labels(frames).save("yolo", format="ultralytics")
found = yaml.safe_load(Path("yolo/data.yaml").read_text())["flip_idx"]

print(f"sleap-io {sleap_io.__version__}")
print(f"joints {skeleton.node_names}, symmetric pairs {sorted(tuple(sorted(pair)) for pair in skeleton.symmetry_inds)}")
print("expected: flip_idx [0, 2, 1, 4, 3] in data.yaml")
print(f"seen:     flip_idx {found}: in a mirrored training image, the right wrist is trained as the left")
seen = found == [0, 1, 2, 3, 4]
if not seen:
    print("changed")
sys.exit(not seen)
PY
