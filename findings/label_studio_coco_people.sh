#!/usr/bin/env bash
# Label Studio's COCO export makes one person of all the keypoints in an image, whichever boxes they belong to.
#
# Printed on 2026-11-28, Python 3.11, 2 CPU cores:
#     label-studio-sdk 2.1.2
#     nose, left hip, right hip as (x, y, visibility) of two people in one image
#     YOLO export: [[20, 20, 2, 25, 60, 2, 15, 60, 2], [70, 22, 2, 75, 62, 2, 0, 0, 0]]
#     expected:    [[20, 20, 2, 25, 60, 2, 15, 60, 2], [70, 22, 2, 75, 62, 2, 0, 0, 0]] from both exports
#     COCO export: [[70, 22, 2, 75, 62, 2, 15, 60, 2]]
#     seen:        one person, with two joints of the second and the right hip of the first
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile \
  label-studio-sdk==2.1.2 \
  2>"$folder/log" || { cat "$folder/log" >&2; exit 2; }
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import json
import logging
import sys
from importlib.metadata import version
from pathlib import Path

from label_studio_sdk.converter import Converter

logging.disable(logging.ERROR)
JOINTS = ["nose", "left_hip", "right_hip"]
labels = "".join(f'<Label value="{name}" model_index="{index}"/>' for index, name in enumerate(JOINTS))
CONFIG = (
    '<View><Image name="image" value="$image"/>'
    '<RectangleLabels name="box" toName="image"><Label value="person"/></RectangleLabels>'
    f'<KeyPointLabels name="joint" toName="image">{labels}</KeyPointLabels></View>'
)


def region(name, kind, source, value, parent=None):
    # One region of a 100 x 100 pixel image, where Label Studio's percentages are pixels.
    return {
        "id": name, "parentID": parent, "type": kind, "from_name": source, "to_name": "image",
        "original_width": 100, "original_height": 100, "value": value,
    }


# Two people, each a box with its keypoints as children. The second person's right hip is out of view.
regions = []
for person, left, joints in (("A", 5, [(20, 20), (25, 60), (15, 60)]), ("B", 55, [(70, 22), (75, 62)])):
    box = {"x": left, "y": 10, "width": 30, "height": 80, "rotation": 0, "rectanglelabels": ["person"]}
    regions.append(region(person, "rectanglelabels", "box", box))
    for joint, (x, y) in zip(JOINTS, joints):
        value = {"x": x, "y": y, "width": 0.5, "keypointlabels": [joint]}
        regions.append(region(person + joint, "keypointlabels", "joint", value, person))
task = {"id": 1, "data": {"image": "photo.jpg"}, "annotations": [{"id": 1, "result": regions}]}
Path("tasks.json").write_text(json.dumps([task]))

Converter(CONFIG, ".", download_resources=False).convert_to_yolo("tasks.json", "yolo", is_dir=False)
rows = next(Path("yolo/labels").glob("*.txt")).read_text().splitlines()
yolo = [[round(float(value) * 100) for value in row.split()[5:]] for row in rows]
yolo = [[v // 100 if index % 3 == 2 else v for index, v in enumerate(row)] for row in yolo]
Converter(CONFIG, ".", download_resources=False).convert_to_coco("tasks.json", "coco", is_dir=False)
annotations = json.loads(Path("coco/result.json").read_text())["annotations"]
coco = [[round(v) for v in a["keypoints"]] for a in annotations if "keypoints" in a]

print(f"label-studio-sdk {version('label-studio-sdk')}")
print("nose, left hip, right hip as (x, y, visibility) of two people in one image")
print(f"YOLO export: {yolo}")
expected = [[20, 20, 2, 25, 60, 2, 15, 60, 2], [70, 22, 2, 75, 62, 2, 0, 0, 0]]
print(f"expected:    {expected} from both exports")
print(f"COCO export: {coco}")
mixed = [[70, 22, 2, 75, 62, 2, 15, 60, 2]]
seen = yolo == expected and coco == mixed
print("seen:        one person, with two joints of the second and the right hip of the first" if seen else "changed")
sys.exit(not seen)
PY
