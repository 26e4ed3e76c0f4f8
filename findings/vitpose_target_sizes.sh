#!/usr/bin/env bash
# transformers' ViTPose post-processing takes target_sizes as (width, height); its documentation says (height, width).
#
# Printed on 2026-11-28, Python 3.11, 2 CPU cores:
#     transformers 5.24.0, torch 2.13.0+cpu
#     the docstring says (height, width): True
#     first keypoint, box in pixels:                                [130.0, 90.0]
#     expected: first keypoint, relative box, target_sizes=[(480, 640)]: [130.0, 90.0]
#     seen:     first keypoint, relative box, target_sizes=[(480, 640)]: [97.5, 120.0]
#               first keypoint, relative box, target_sizes=[(640, 480)]: [130.0, 90.0]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile \
  torch==2.13.0 transformers==5.24.0 numpy==2.4.6 scipy==1.17.1 pillow==13.0.0 \
  2>"$folder/log" || { cat "$folder/log" >&2; exit 2; }
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys
from types import SimpleNamespace

import numpy as np
import torch
import transformers
from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil

width, height = 640, 480
pixels = np.array([100.0, 50.0, 60.0, 80.0])  # a box as x, y, width, height in a 640 x 480 image
relative = pixels / [width, height, width, height]
# Heatmaps of one person with one peak each, in the middle, so that every keypoint is the middle of the box.
y, x = torch.meshgrid(torch.arange(64) - 31.5, torch.arange(48) - 23.5, indexing="ij")
heatmaps = torch.exp(-(x**2 + y**2) / 8).expand(1, 17, 64, 48)
processor = VitPoseImageProcessorPil()


def first_keypoint(box, **sizes):
    [[person]] = processor.post_process_pose_estimation(SimpleNamespace(heatmaps=heatmaps), boxes=[[box]], **sizes)
    return [round(v, 2) for v in person["keypoints"][0].tolist()]


print(f"transformers {transformers.__version__}, torch {torch.__version__}")
says = "(height, width)" in " ".join(processor.post_process_pose_estimation.__doc__.split())
print(f"the docstring says (height, width): {says}")
print(f"first keypoint, box in pixels:                                {first_keypoint(pixels)}")
documented = first_keypoint(relative, target_sizes=[(height, width)])
print(f"expected: first keypoint, relative box, target_sizes=[(480, 640)]: {first_keypoint(pixels)}")
print(f"seen:     first keypoint, relative box, target_sizes=[(480, 640)]: {documented}")
swapped = first_keypoint(relative, target_sizes=[(width, height)])
print(f"          first keypoint, relative box, target_sizes=[(640, 480)]: {swapped}")
seen = says and documented == [97.5, 120.0] and swapped == first_keypoint(pixels) == [130.0, 90.0]
if not seen:
    print("changed")
sys.exit(not seen)
PY
