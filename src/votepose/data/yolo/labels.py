"""Reads label files as annotations of a COCO json, in pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from votepose.data.remarks import Remark
from votepose.data.yolo.description import Description
from votepose.skeleton import BODY_SHARE

_ROUNDING = 0.01  # tolerance for rounding beyond the range 0..1

Annotation = dict[str, Any]


def label_path(image: Path) -> Path:
    """Path of an image's label file: with labels/ instead of the last images/ in the path, otherwise beside the
    image."""
    parts = list(image.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def read_labels(text: str, size: tuple[int, int], described: Description) -> tuple[list[Annotation], list[Remark]]:
    """The annotations of an image, without its id, and remarks with the line, such as `line 3`.

    Args:
        text: text of the label file: per line a class, a box (x and y of the centre, width, height) and the keypoints,
            relative to the image's sides. size: width and height of the image in pixels.
    """
    found: list[Annotation] = []
    remarks: list[Remark] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if words := line.split():
            annotation, its_remarks = _read(words, size, described)
            found += [annotation] if annotation else []
            remarks += [remark.at(f"line {number}") for remark in its_remarks]
    return found, remarks


def _read(words: list[str], size: tuple[int, int], described: Description) -> tuple[Annotation | None, list[Remark]]:
    try:
        values = np.array([float(word) for word in words])
    except ValueError as error:
        return None, [Remark(f"{str(error).rpartition(': ')[2]} is not a number; left out")]
    count = 5 + described.joints * described.values
    wanted = f"{count} (class, box, {described.joints} keypoints of {described.values})"
    if not np.isfinite(values).all():
        return None, [Remark("a number is not finite; left out")]
    if len(values) < 5:
        return None, [Remark(f"has {len(values)} numbers instead of {wanted}; left out")]
    if values[0] not in described.categories:
        return None, [Remark(f"class {values[0]:g} is not among the names of {described.path.name}; left out")]
    annotation: Annotation = {"category_id": described.categories[int(values[0])]["id"], "iscrowd": 0}
    box, remarks = _box(values[1:5], size)
    annotation |= box
    if len(values) != count:
        remarks.append(Remark(f"has {len(values)} numbers instead of {wanted}; ignored region"))
        return annotation | {"keypoints": [], "num_keypoints": 0}, remarks
    points, others = _keypoints(values[5:].reshape(described.joints, described.values))
    points[:, :2] *= size
    labelled = int((points[:, 2] > 0).sum())
    return annotation | {"keypoints": points.ravel().tolist(), "num_keypoints": labelled}, remarks + others


def _box(values: np.ndarray, size: tuple[int, int]) -> tuple[Annotation, list[Remark]]:
    """The entries for a box and its area; empty if the box is unusable."""
    if not _within(values) or (values[2:] < 0).any():
        return {}, [Remark("the box is not in 0 to 1; left out")]
    if not values[2:].all():
        return {}, []
    x, y, width, height = values * np.tile(size, 2)
    box = [float(x - width / 2), float(y - height / 2), float(width), float(height)]
    return {"bbox": box, "area": BODY_SHARE * float(width * height)}, []


def _keypoints(values: np.ndarray) -> tuple[np.ndarray, list[Remark]]:
    """(K, 3) x, y relative to the image's sides and COCO's v, and remarks."""
    remarks = []
    if values.shape[1] == 2:  # unlabelled keypoints are 0 0 or negative
        values = np.column_stack([values, np.where((values >= 0).all(axis=1) & values.any(axis=1), 2.0, 0.0)])
    points = values.copy()
    odd = ~np.isin(points[:, 2], (0, 1, 2))
    if odd.any():  # Ultralytics stores confidences there when it saves results
        first = points[odd, 2][0]
        problem = f"a visibility is {first:g} instead of 0, 1 or 2; below 0.5 taken as unlabelled, otherwise as visible"
        remarks.append(Remark(problem, adjusted=True))
        points[odd, 2] = np.where(points[odd, 2] < 0.5, 0, 2)
    outside = (points[:, 2] > 0) & ~_within(points[:, :2], axis=1)
    if outside.any():
        remarks.append(Remark(f"{outside.sum()} keypoints are not in 0 to 1; taken as unlabelled"))
    points[outside | (points[:, 2] == 0)] = 0
    return points, remarks


def _within(values: np.ndarray, axis: int | None = None) -> Any:
    return ((values >= -_ROUNDING) & (values <= 1 + _ROUNDING)).all(axis=axis)
