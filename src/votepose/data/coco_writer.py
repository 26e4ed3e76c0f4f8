"""Writes a dataset as a COCO-format folder, which `load_labelled` reads."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from PIL import Image

from votepose.data.labelled import LabelledDataset
from votepose.io.files import save_picture


def to_coco_json(dataset: LabelledDataset) -> dict[str, Any]:
    """The dataset's COCO json, as read by `load_labelled` and the metrics."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for sample in dataset.samples:
        height, width = sample.image.shape[:2]
        images.append(
            {
                "id": sample.image_id,
                "file_name": sample.name,
                "width": width,
                "height": height,
                "persons_complete": sample.complete,
            }
        )
        crowds = [(None, box, float(box[2] * box[3])) for box in sample.ignore]
        for points, box, area in [*zip(sample.keypoints, sample.boxes, sample.areas, strict=True), *crowds]:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": sample.image_id,
                    "category_id": dataset.category_id,
                    "keypoints": [] if points is None else points.ravel().tolist(),
                    "bbox": box.tolist(),
                    "num_keypoints": 0 if points is None else int((points[:, 2] > 0).sum()),
                    "area": float(area),
                    "iscrowd": int(points is None),
                }
            )
    category = dataset.skeleton.to_coco_category() | {"id": dataset.category_id}
    return {"images": images, "annotations": annotations, "categories": [category]}


def write_coco(dataset: LabelledDataset, folder: Path, zipped: bool = False) -> None:
    """Write annotations.json and the images, in images/ or in images-00.zip; `load_labelled` reads them back."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "annotations.json").write_text(json.dumps(to_coco_json(dataset)), encoding="utf-8")
    if zipped:
        with zipfile.ZipFile(folder / "images-00.zip", "w") as archive:
            for sample in dataset.samples:
                with archive.open(sample.name, "w") as file:
                    Image.fromarray(sample.image).save(file, "png")
        return
    for sample in dataset.samples:
        save_picture(Image.fromarray(sample.image), folder / "images" / sample.name)
