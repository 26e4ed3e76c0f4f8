"""Writes labelled folders as a YOLO pose dataset, which `read_split` reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml

from votepose.data.coco import CocoFolder
from votepose.data.coco_json.annotations import Annotation
from votepose.data.coco_json.labels import Picture
from votepose.data.coco_json.values import flag, number
from votepose.data.yolo.description import NAME
from votepose.data.yolo.labels import label_path
from votepose.skeleton import COCO_17, Skeleton
from votepose.utils.progress import track


def write_yolo(splits: Mapping[str, CocoFolder], out: Path) -> tuple[Counter[str], list[str]]:
    """Write data.yaml, images/SPLIT/ and labels/SPLIT/ into a new folder.

    Returns:
        Counts of what the format cannot hold, and remarks on images that cannot be written.
    """
    lost: Counter[str] = Counter()
    remarks: list[str] = []
    for split, folder in splits.items():
        taken: set[Path] = set()
        for picture in track(folder.pictures, f"writing {split}"):
            try:
                _write(folder, picture, out / "images" / split, taken, lost)
            except (OSError, LookupError, ValueError, RuntimeError) as error:
                remarks.append(f"{picture.entry.get('file_name', '?')}: {error}; left out")
    first = next(iter(splits.values()))
    places = {split: f"images/{split}" for split in splits}
    (out / NAME).write_text(describe(first.labels.skeleton, places), encoding="utf-8")
    return lost, remarks


def describe(skeleton: Skeleton, places: Mapping[str, str]) -> str:
    """The text of data.yaml. `skeleton` and `sigmas` are extensions, as in the category of a COCO json."""
    category = skeleton.to_coco_category()
    own = {} if skeleton == COCO_17 else {key: category[key] for key in ("skeleton", "sigmas")}
    train = next(iter(places.values()))
    content: dict[str, Any] = {"train": train, "val": train, **places}  # Ultralytics needs both
    content |= {"names": {0: skeleton.category}, "kpt_shape": [len(skeleton), 3]}
    content |= {"flip_idx": skeleton.flip.tolist(), "kpt_names": {0: list(skeleton.names)}, **own}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)


def _write(folder: CocoFolder, picture: Picture, images: Path, taken: set[Path], lost: Counter[str]) -> None:
    name = PurePosixPath(str(picture.entry["file_name"]))
    if name.is_absolute() or ".." in name.parts:
        raise ValueError("its name points outside the folder")
    target = images / name
    label = label_path(target)
    if label in taken:
        raise ValueError(f"another image has the label file {label.name}")
    encoded, size = folder.files.encoded(picture.entry), _size(folder, picture)
    taken.add(label)
    for path in (target, label):
        path.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(encoded)
    rows = [_row(annotation, size, lost) for annotation in picture.annotations]
    label.write_text("".join(f"{row}\n" for row in rows if row), encoding="utf-8")
    lost["images with unlabelled people"] += flag(picture.entry.get("persons_complete", True)) is False


def _size(folder: CocoFolder, picture: Picture) -> np.ndarray:
    """(2,) image width and height in the labels' pixels."""
    size = np.array([number(picture.entry.get(side)) for side in ("width", "height")])
    return size if (size > 0).all() else np.array(folder.files.read(picture.entry).shape[1::-1], float)


def _row(annotation: Annotation, size: np.ndarray, lost: Counter[str]) -> str:
    """The line for a person; empty if the format cannot hold it."""
    low, high = (np.clip(c, 0, size) for c in (annotation.box[:2], annotation.box[:2] + annotation.box[2:]))
    if annotation.crowd or not (high > low).all():
        lost["regions of crowds" if annotation.crowd else "people outside of their image"] += 1
        return ""
    points = annotation.keypoints.copy()
    points[:, :2] /= size
    labelled = points[:, 2] > 0
    outside = labelled & ~((points[:, :2] >= 0) & (points[:, :2] <= 1)).all(axis=1)
    lost["keypoints outside of their image"] += int(outside.sum())
    points[outside | ~labelled] = 0
    values = [*((low + high) / 2 / size), *((high - low) / size), *points.ravel()]
    return " ".join(["0", *(f"{value:.8g}" for value in values)])
