"""Writes labelled folders as a YOLO pose dataset, which `read_split` reads."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml

from votepose.data.coco_json.annotations import Annotation
from votepose.data.coco_json.labels import LabelledImage
from votepose.data.coco_json.values import flag
from votepose.data.labelled import LabelledFolder
from votepose.data.remarks import Remark
from votepose.data.sample import label_scale, person_box
from votepose.data.yolo.description import EXTENSIONS, NAME
from votepose.data.yolo.labels import label_path
from votepose.io.images import image_size
from votepose.skeleton import COCO_17, Skeleton
from votepose.utils.progress import track


@dataclass
class Written:
    """What was written.

    Attributes:
        images, people: counts by split.
        lost: counts of what the format cannot hold.
        remarks: on images that could not be written.
    """

    images: Counter[str] = field(default_factory=Counter)
    people: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    remarks: list[Remark] = field(default_factory=list)


def write_yolo(splits: Mapping[str, LabelledFolder], out: Path) -> Written:
    """Write data.yaml, images/SPLIT/ and labels/SPLIT/ into a new folder."""
    written = Written()
    for split, folder in splits.items():
        taken: set[Path] = set()
        for picture in track(folder.pictures, f"writing {split}"):
            try:
                people = _write(folder, picture, out / "images" / split, taken, written.lost)
            except (OSError, LookupError, ValueError, RuntimeError) as error:
                name = str(picture.entry.get("file_name", "?"))
                written.remarks.append(Remark(f"{error}; left out", place=name))
            else:
                written.images[split] += 1
                written.people[split] += people
    first = next(iter(splits.values()))
    places = {split: f"images/{split}" for split in splits}
    (out / NAME).write_text(describe(first.labels.skeleton, places), encoding="utf-8")
    return written


def describe(skeleton: Skeleton, places: Mapping[str, str]) -> str:
    """The text of data.yaml. `skeleton`, `sigmas` and `flip_pairs` are extensions, as in the category of a COCO
    json."""
    category = skeleton.to_coco_category()
    own = {} if skeleton == COCO_17 else {key: category[key] for key in EXTENSIONS if key in category}
    train = next(iter(places.values()))
    content: dict[str, Any] = {"train": train, "val": train, **places}  # Ultralytics needs both
    content |= {"names": {0: skeleton.category}, "kpt_shape": [len(skeleton), 3]}
    content |= {"flip_idx": skeleton.flip.tolist(), "kpt_names": {0: list(skeleton.names)}, **own}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)


def _write(folder: LabelledFolder, picture: LabelledImage, images: Path, taken: set[Path], lost: Counter[str]) -> int:
    """Write an image and its labels; returns the number of people."""
    name = PurePosixPath(str(picture.entry["file_name"]))
    if name.is_absolute() or ".." in name.parts:
        raise ValueError("its name points outside the folder")
    target = images / name
    label = label_path(target)
    if label in taken:
        raise ValueError(f"another image has the label file {label.name}")
    encoded = folder.files.encoded(picture.entry)
    width, height = image_size(io.BytesIO(encoded), name.name)
    size = np.array([width, height]) / label_scale(picture.entry, width, height)
    taken.add(label)
    for path in (target, label):
        path.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(encoded)
    rows = [(_row(annotation, size, lost), annotation.is_person) for annotation in picture.annotations]
    label.write_text("".join(f"{row}\n" for row, _ in rows if row), encoding="utf-8")
    lost["images with unlabelled people"] += flag(picture.entry.get("persons_complete", True)) is False
    return sum(bool(row) and is_person for row, is_person in rows)


def _row(annotation: Annotation, size: np.ndarray, lost: Counter[str]) -> str:
    """The line for a person in an image of this size, in label pixels; empty if the format cannot hold it."""
    box = person_box(annotation.box, annotation.keypoints, annotation.area, *size)
    if annotation.crowd or not (box[2:] > 0).all():
        lost["regions of crowds" if annotation.crowd else "people outside of their image"] += 1
        return ""
    points = annotation.keypoints.copy()
    points[:, :2] /= size
    labelled = points[:, 2] > 0
    outside = labelled & ~((points[:, :2] >= 0) & (points[:, :2] <= 1)).all(axis=1)
    lost["keypoints outside of their image"] += int(outside.sum())
    points[outside | ~labelled] = 0
    values = [*((box[:2] + box[2:] / 2) / size), *(box[2:] / size), *points.ravel()]
    return " ".join(["0", *(f"{value:.8g}" for value in values)])
