#!/usr/bin/env bash
# pose-format's interpolate(new_fps) also changes the speed: the frames it returns do not lie 1 / new_fps apart.
#
# Printed on 2026-11-28, Python 3.11, 2 CPU cores:
#     pose-format 0.15.0, numpy 2.4.6
#     a joint at a constant 300 pixels a second, filmed at 30 frames a second
#       10 frames: as filmed 300.0, interpolated to 10, 15, 60 frames a second [450.0, 337.5, 284.2]
#       30 frames: as filmed 300.0, interpolated to 10, 15, 60 frames a second [322.2, 310.7, 294.9]
#       90 frames: as filmed 300.0, interpolated to 10, 15, 60 frames a second [306.9, 303.4, 298.3]
#     expected: 300 pixels a second throughout
#     seen:     up to half as fast again: the last new frame is put at the last old one's time
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile \
  pose-format==0.15.0 numpy==2.4.6 scipy==1.17.1 \
  2>"$folder/log" || { cat "$folder/log" >&2; exit 2; }
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from pose_format.numpy import NumPyPoseBody

SPEED = 300.0  # pixels a second


def speed(body):
    return round(float(np.diff(np.asarray(body.data)[:, 0, 0, 0]).mean() * body.fps), 1)


print(f"pose-format {version('pose-format')}, numpy {np.__version__}")
print(f"a joint at a constant {SPEED:g} pixels a second, filmed at 30 frames a second")
found = []
for frames in (10, 30, 90):
    x = SPEED * np.arange(frames) / 30
    data = np.stack([x, np.zeros(frames)], axis=-1)[:, None, None].astype(np.float32)
    body = NumPyPoseBody(fps=30, data=data, confidence=np.ones((frames, 1, 1), np.float32))
    found.append([speed(body), *(speed(body.interpolate(new_fps, kind="linear")) for new_fps in (10, 15, 60))])
    print(f"  {frames} frames: as filmed {found[-1][0]}, interpolated to 10, 15, 60 frames a second {found[-1][1:]}")
print("expected: 300 pixels a second throughout")
seen = [row[0] for row in found] == [300, 300, 300] and found[0][1:] == [450.0, 337.5, 284.2]
print("seen:     up to half as fast again: the last new frame is put at the last old one's time" if seen else "changed")
sys.exit(not seen)
PY
