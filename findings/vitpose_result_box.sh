#!/usr/bin/env bash
# The bbox that transformers' ViTPose post-processing returns is not a box: its second corner lies left of and above its
# first one.
#
# Printed on 2026-11-28, Python 3.11, 2 CPU cores:
#     transformers 5.24.0, torch 2.13.0+cpu
#     box given, as x, y, width, height: [100.0, 50.0, 60.0, 80.0]
#     first keypoint: [130.0, 90.0], the middle of that box
#     expected: bbox [100, 50, 160, 130] (its code converts to corners), or the box as given
#     seen:     bbox [130.0, 90.0, 129.38, 89.5]
#               it starts at the centre, and its size is that of the padded box / 200, less 1
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

import torch
import transformers
from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil

box = [100.0, 50.0, 60.0, 80.0]  # x, y, width, height, as post_process_pose_estimation takes it
# Heatmaps of one person with one peak each, in the middle, so that every keypoint is the middle of the box.
y, x = torch.meshgrid(torch.arange(64) - 31.5, torch.arange(48) - 23.5, indexing="ij")
heatmaps = torch.exp(-(x**2 + y**2) / 8).expand(1, 17, 64, 48)
processor = VitPoseImageProcessorPil()
[[person]] = processor.post_process_pose_estimation(SimpleNamespace(heatmaps=heatmaps), boxes=[[box]])
keypoint = [round(v, 2) for v in person["keypoints"][0].tolist()]
found = [round(v, 2) for v in person["bbox"].tolist()]

print(f"transformers {transformers.__version__}, torch {torch.__version__}")
print(f"box given, as x, y, width, height: {box}")
print(f"first keypoint: {keypoint}, the middle of that box")
print("expected: bbox [100, 50, 160, 130] (its code converts to corners), or the box as given")
print(f"seen:     bbox {found}")
seen = keypoint == [130, 90] and found == [130, 90, 129.38, 89.5]
print("          it starts at the centre, and its size is that of the padded box / 200, less 1" if seen else "changed")
sys.exit(not seen)
PY
