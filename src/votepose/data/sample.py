"""One image and the people in it, from pixels and the labels in a COCO json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from votepose.data.coco_json import values
from votepose.data.coco_json.labels import LabelledImage
from votepose.data.remarks import Remark
from votepose.errors import VoteposeError

_SAME_SHAPE = 0.01  # relative difference of two aspect ratios that count as equal


@dataclass(frozen=True)
class Sample:
    """One image and the people in it, in its own pixels.

    Attributes:
        image_id, name: id and name of the image, as in the json.
        image: (height, width, 3) uint8 RGB.
        keypoints: (N, K, 3) x, y and COCO's v: 0 unlabelled, 1 hidden, 2 visible.
        boxes: (N, 4) x, y, width, height. areas: (N,).
        ignore: (R, 4) boxes of people without known joints: crowds, and people without keypoints.
        complete: whether all people in the image are labelled or in an ignore box.
        scale: image pixels per pixel of the json's image size, along x and y; mostly 1.
    """

    image_id: int | str
    name: str
    image: np.ndarray
    keypoints: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    ignore: np.ndarray
    complete: bool = True
    scale: tuple[float, float] = (1.0, 1.0)

    def may_be_unlabelled(self, points: np.ndarray) -> np.ndarray:
        """(P,) bool: whether unlabelled people may be at points (P, 2): in ignore boxes and incompletely labelled
        images."""
        if not self.complete:
            return np.ones(len(points), bool)
        low, high = self.ignore[:, :2], self.ignore[:, :2] + self.ignore[:, 2:]
        return ((points[:, None] >= low) & (points[:, None] < high)).all(axis=-1).any(axis=-1)


def read_sample(picture: LabelledImage, pixels: np.ndarray, count: int) -> tuple[Sample, list[Remark]]:
    """The sample, in image pixels, and remarks on annotations that were left out or adjusted.

    Raises:
        VoteposeError: if the labels are for the image without its EXIF rotation.
    """
    height, width = pixels.shape[:2]
    entry, remarks = picture.entry, list(picture.remarks)
    scale = label_scale(entry, width, height).astype(np.float32)
    if abs(scale - 1).max() > 0.01:
        problem = f"is {width}x{height}, unlike in the json; its labels were scaled"
        remarks.append(Remark(problem, adjusted=True))
    people, ignore = [], []
    for annotation in picture.annotations:
        whole = annotation.box.astype(np.float32) * np.tile(scale, 2)
        box = _clipped(whole, width, height)
        if annotation.boxed and abs(box - whole).max() > 1:  # smaller differences are rounding
            remarks.append(Remark("an annotation's box exceeds the image; clipped", adjusted=True))
        if annotation.is_person:
            points = annotation.keypoints.astype(np.float32)
            points[:, :2] *= scale
            area = float(np.float32(annotation.area) * scale.prod())
            people.append((points, person_box(box, points, area, width, height), area))
        elif (box[2:] > 0).all():
            ignore.append(box)
    sample = Sample(
        picture.image_id,
        str(entry["file_name"]),
        pixels,
        np.array([points for points, _, _ in people], np.float32).reshape(-1, count, 3),
        np.array([box for _, box, _ in people], np.float32).reshape(-1, 4),
        np.array([area for _, _, area in people], np.float32),
        np.array(ignore, np.float32).reshape(-1, 4),
        values.flag(entry.get("persons_complete", True)) is not False,
        (float(scale[0]), float(scale[1])),
    )
    return sample, [remark.at(sample.name) for remark in remarks]


def label_scale(entry: Mapping[str, Any], width: int, height: int) -> np.ndarray:
    """(2,) image pixels per label pixel along x and y, from the size in the json's entry; 1 if it states none.

    Raises:
        VoteposeError: if width and height are swapped: the labels are for the image without its EXIF rotation.
    """
    stated = np.array([values.number(entry.get(side)) for side in ("width", "height")])
    if not (stated > 0).all():
        return np.ones(2)
    on_its_side = abs(stated[0] / stated[1] * (width / height) - 1) < _SAME_SHAPE
    if on_its_side and abs(width / height - 1) > 2 * _SAME_SHAPE:
        w, h = (f"{side:g}" for side in stated)
        raise VoteposeError(
            f"is {width}x{height}, but {w}x{h} in the json: its labels are for the image without its EXIF rotation; "
            "rotate the file's pixels or the labels"
        )
    return np.array([width, height]) / stated


def person_box(box: np.ndarray, points: np.ndarray, area: float, width: int, height: int) -> np.ndarray:
    """A person's box (x, y, w, h) in the image: the given one, clipped, or if that lies outside, one around the
    labelled joints."""
    clipped = _clipped(box, width, height)
    if (clipped[2:] > 0).all():
        return clipped
    labelled = points[points[:, 2] > 0, :2]
    hull = values.hull(labelled)
    return _clipped(values.square(labelled, area) if hull is None else hull, width, height)


def _clipped(box: np.ndarray, width: int, height: int) -> np.ndarray:
    """A box (x, y, w, h) clipped to the image."""
    low = np.clip(box[:2], 0, (width, height))
    high = np.clip(box[:2] + box[2:], 0, (width, height))
    return np.concatenate([low, high - low]).astype(np.float32)
