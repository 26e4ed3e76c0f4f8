#!/usr/bin/env bash
# timm's `mobilenetv3_large_100` loads the weights of `tf_mobilenetv3_large_100` without a complaint, but its feature
# maps then lie elsewhere: almost a whole cell further, at every stride, as they pad at other sides.
#
# Printed on 2026-11-28, Python 3.11, 2 CPU cores:
#     timm 1.0.31, torch 2.13.0+cpu
#     weights of tf_mobilenetv3_large_100 in mobilenetv3_large_100: <All keys matched successfully>
#       stride 8: relative difference 1.36; 0.06 if the image moves 7 pixels
#       stride 16: relative difference 1.42; 0.11 if the image moves 15 pixels
#       stride 32: relative difference 1.44; 0.37 if the image moves 31 pixels
#     expected: equal weights give equal maps, or loading them fails
#     seen:     the maps of one are those of the other for an image that is moved by the stride less one pixel
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile \
  torch==2.13.0 torchvision==0.28.0 timm==1.0.31 numpy==2.4.6 \
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
import timm

SIDE, MARGIN = 384, 64
torch.manual_seed(0)
plain, tf = (
    timm.create_model(name, features_only=True, out_indices=(2, 3, 4)).eval()
    for name in ("mobilenetv3_large_100", "tf_mobilenetv3_large_100")
)
loaded = plain.load_state_dict(tf.state_dict(), strict=True)
scene = torch.nn.functional.avg_pool2d(torch.rand(1, 3, SIDE + 2 * MARGIN, SIDE + 2 * MARGIN), 9, 1, 4)


def moved(pixels):
    # The scene, moved right and down.
    start = MARGIN - pixels
    return scene[:, :, start : start + SIDE, start : start + SIDE]


def inner(x):
    # The middle of a map, far from its padding.
    cut = x.shape[-1] // 3
    return x[..., cut:-cut, cut:-cut]


@torch.no_grad()
def maps(network, pixels):
    return [inner(x) for x in network(moved(pixels))]


print(f"timm {version('timm')}, torch {torch.__version__}")
print(f"weights of tf_mobilenetv3_large_100 in mobilenetv3_large_100: {loaded}")
wanted = maps(plain, 0)
found = [maps(tf, pixels) for pixels in range(33)]
best = []
for level, stride in enumerate(plain.feature_info.reduction()):
    spread = (wanted[level] - wanted[level].mean((2, 3), keepdim=True)).norm()
    errors = [float((one[level] - wanted[level]).norm() / spread) for one in found]
    best.append(min(range(33), key=errors.__getitem__))
    print(f"  stride {stride}: relative difference {errors[0]:.2f}; {errors[best[-1]]:.2f} if the image moves {best[-1]} pixels")
print("expected: equal weights give equal maps, or loading them fails")
print("seen:     the maps of one are those of the other for an image that is moved by the stride less one pixel")
seen = best == [7, 15, 31]
if not seen:
    print("changed")
sys.exit(not seen)
PY
