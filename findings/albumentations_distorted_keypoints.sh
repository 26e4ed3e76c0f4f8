#!/usr/bin/env bash
# albumentations' distortions move every keypoint up by a pixel, and of two that share a pixel they return only one.
#
# Printed on 2026-11-28, Python 3.11, 2 CPU cores:
#     albumentations 2.0.8, numpy 2.4.6
#     ElasticTransform so weak that the image stays equal, remove_invisible=False
#     expected: {'left_wrist': [80.2, 120.1], 'right_wrist': [80.4, 119.8], 'nose': [100.0, 40.0]}
#     seen:     {'right_wrist': [80.0, 119.0], 'nose': [100.0, 39.0]}
#       ElasticTransform, defaults: the keypoint's y less the image's, mean of 6: -1.0
#       PiecewiseAffine, defaults: the keypoint's y less the image's, mean of 6: -0.9
#               rounded and then moved up by one pixel, and the left wrist is gone
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile \
  albumentations==2.0.8 numpy==2.4.6 opencv-python-headless==5.0.0.93 \
  2>"$folder/log" || { cat "$folder/log" >&2; exit 2; }
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import os
import sys

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
import albumentations as A
import numpy as np

# Two wrists that touch, and a nose. The second wrist has the same nearest pixel as the first.
joints = np.array([[80.2, 120.1], [80.4, 119.8], [100, 40]], np.float32)
names = ["left_wrist", "right_wrist", "nose"]
image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)


def distort():
    # Displacements of well under a hundredth of a pixel: neither the image nor the joints should move.
    elastic = A.ElasticTransform(alpha=0.01, sigma=50, p=1)
    keep = A.KeypointParams("xy", remove_invisible=False, label_fields=["names"])
    result = A.Compose([elastic], keypoint_params=keep, seed=0)(image=image, keypoints=joints, names=names)
    assert np.array_equal(result["image"], image)
    return dict(zip((str(name) for name in result["names"]), result["keypoints"].astype(float).round(1).tolist()))


print(f"albumentations {A.__version__}, numpy {np.__version__}")
print("ElasticTransform so weak that the image stays equal, remove_invisible=False")
default = distort()
print(f"expected: {dict(zip(names, joints.astype(float).round(1).tolist()))}")
print(f"seen:     {default}")
shift = []
for transform in (A.ElasticTransform, A.PiecewiseAffine):
    # Mean of keypoint - centre of a blob in the image at the same place, over 6 random distortions.
    y, x = np.mgrid[:120, :120]
    blob = np.exp(-((x - 60) ** 2 + (y - 60) ** 2) / 32).astype(np.float32)[..., None]
    errors = []
    for seed in range(6):
        pipeline = A.Compose([transform(p=1)], keypoint_params=A.KeypointParams("xy"), seed=seed)
        result = pipeline(image=blob, keypoints=np.array([[60, 60]], np.float32))
        moved = result["image"][..., 0]
        errors.append(result["keypoints"][0][1] - (moved * y).sum() / moved.sum())
    shift.append(round(float(np.mean(errors)), 1))
    print(f"  {transform.__name__}, defaults: the keypoint's y less the image's, mean of 6: {shift[-1]}")
seen = default == {"right_wrist": [80, 119], "nose": [100, 39]} and max(shift) < -0.8
print("          rounded and then moved up by one pixel, and the left wrist is gone" if seen else "changed")
sys.exit(not seen)
PY
