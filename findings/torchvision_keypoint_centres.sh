#!/usr/bin/env bash
# torchvision's keypoint transforms count from two origins: a rotation by 180 degrees and two flips give the same image,
# but different keypoints.
#
# Printed on 2026-11-28, Python 3.11, 2 CPU cores:
#     torchvision 0.28.0, torch 2.13.0+cpu
#     one bright pixel at (10, 15) of a 60 x 40 image, and a keypoint on it
#       both flips: pixel (49.0, 24.0), keypoint (49.0, 24.0), off by (0.0, 0.0)
#       rotate by 180: pixel (49.0, 24.0), keypoint (50.0, 25.0), off by (1.0, 1.0)
#       rotate by 90, expand: pixel (15.0, 49.0), keypoint (15.0, 50.0), off by (0.0, 1.0)
#       resize to four times: pixel (41.5, 61.5), keypoint (40.0, 60.0), off by (-1.5, -1.5)
#     expected: keypoint = pixel from all four, or the same offset from all
#     seen:     flips count from pixel centres, rotate and resize from pixel corners
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile \
  torch==2.13.0 torchvision==0.28.0 numpy==2.4.6 \
  2>"$folder/log" || { cat "$folder/log" >&2; exit 2; }
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys
from importlib.metadata import version

import torch

if "+cpu" in torch.__version__ and "+" not in version("torchvision"):
    # pip chose a torchvision for CUDA beside a torch for the CPU: its compiled operators, not used here, are missing.
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor boxes, Tensor scores, float threshold) -> Tensor")
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

# An image that is black but for one pixel, and a keypoint on that pixel.
HEIGHT, WIDTH, X, Y = 40, 60, 10, 15
pixels = torch.zeros(1, HEIGHT, WIDTH)
pixels[0, Y, X] = 1
image = tv_tensors.Image(pixels)
keypoint = tv_tensors.KeyPoints(torch.tensor([[float(X), float(Y)]]), canvas_size=(HEIGHT, WIDTH))


def centre(image):
    # (x, y) of the bright pixels' middle, pixels numbered from 0.
    _, y, x = (image > 0.99).nonzero(as_tuple=True)
    return x.double().mean().item(), y.double().mean().item()


def both(name, transform):
    places = centre(transform(image)), tuple(round(v, 2) for v in transform(keypoint)[0].tolist())
    print(f"  {name}: pixel {places[0]}, keypoint {places[1]}, off by {tuple(k - p for p, k in zip(*places))}")
    return places


print(f"torchvision {version('torchvision')}, torch {torch.__version__}")
print(f"one bright pixel at {(X, Y)} of a 60 x 40 image, and a keypoint on it")
flipped = both("both flips", lambda z: F.vertical_flip(F.horizontal_flip(z)))
turned = both("rotate by 180", lambda z: F.rotate(z, 180))
quarter = both("rotate by 90, expand", lambda z: F.rotate(z, 90, expand=True))
larger = both("resize to four times", lambda z: F.resize(z, [160, 240], interpolation=InterpolationMode.NEAREST))
print("expected: keypoint = pixel from all four, or the same offset from all")
print("seen:     flips count from pixel centres, rotate and resize from pixel corners")
seen = flipped == ((49, 24), (49, 24)) and turned == ((49, 24), (50, 25)) and quarter == ((15, 49), (15, 50))
seen = seen and larger == ((41.5, 61.5), (40, 60))
if not seen:
    print("changed")
sys.exit(not seen)
PY
