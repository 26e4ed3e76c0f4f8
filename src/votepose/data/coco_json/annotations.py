"""Parses the people and ignore regions of one image, and fills in sizes that the COCO json lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from votepose.data.coco_json import values
from votepose.data.remarks import Remark
from votepose.skeleton import BODY_SHARE
from votepose.utils.wording import counted

_SIZE = 0.1  # square root of a person's area over the image's, if there is no information about sizes
_PICTURE = (640.0, 480.0)  # size in pixels, if the json has none


@dataclass(frozen=True)
class Annotation:
    """A person, or a region to ignore, in the json's pixels.

    Attributes:
        keypoints: (K, 3) float64 x, y and COCO's v; all 0 if not labelled.
        box: (4,) x, y, width, height; all 0 if unknown.
        area: in square pixels; if the json has none, 0 until `sized`.
        crowd: whether it covers several people.
        boxed: whether the box is from the json; otherwise it is derived from the joints.
        number: 1, 2, … over the whole json, independent of its ids.
    """

    keypoints: np.ndarray
    box: np.ndarray
    area: float
    crowd: bool = False
    boxed: bool = True
    number: int = 0

    @property
    def is_person(self) -> bool:
        """Whether it is one person with labelled joints; otherwise it is a region to ignore."""
        return not self.crowd and len(self.labelled) > 0

    @property
    def labelled(self) -> np.ndarray:
        """The labelled joints (n, 2)."""
        return self.keypoints[self.keypoints[:, 2] > 0, :2]


def read_annotations(entries: Sequence[dict[str, Any]], count: int) -> tuple[list[Annotation], list[Remark]]:
    """The annotations of an image, with `count` keypoints each, and remarks on what could not be read."""
    found: list[Annotation] = []
    remarks: list[Remark] = []
    known = set()
    for entry in entries:
        annotation, its_remarks = _read(entry, count)
        remarks += its_remarks
        key = annotation.keypoints.tobytes(), annotation.box.tobytes()
        if annotation.is_person and key in known:
            remarks.append(Remark("a person is annotated twice with identical values; read once", adjusted=True))
            continue
        known.add(key)
        found.append(annotation)
    return found, remarks


def _read(entry: dict[str, Any], count: int) -> tuple[Annotation, list[Remark]]:
    points, wrong_points = values.keypoints(entry.get("keypoints"), count)
    box, wrong_box = values.box(entry.get("bbox"))
    area, wrong_area = values.area(entry.get("area"))
    crowd = values.flag(entry.get("iscrowd"))
    wrong_crowd = crowd is None and Remark(f"an annotation's iscrowd is {entry['iscrowd']!r}; ignored region")
    whole = values.hull(points[points[:, 2] > 0, :2]) if box is None else box
    if area is None:
        area = 0.0 if whole is None else BODY_SHARE * float(whole[2] * whole[3])
    remarks = [remark for remark in (wrong_points, wrong_box, wrong_area, wrong_crowd) if remark]
    whole = np.zeros(4) if whole is None else whole
    return Annotation(points, whole, area, crowd is not False, box is not None), remarks


def typical_area(annotations: Sequence[Annotation]) -> float:
    """Median area in square pixels of people with a known size; 0 if there are none."""
    areas = [a.area for a in annotations if a.is_person and a.area > 0]
    return float(np.median(areas)) if areas else 0.0


def sized(
    annotations: Sequence[Annotation], picture: dict[str, Any], typical: float
) -> tuple[list[Annotation], list[Remark]]:
    """The annotations of an image, with area and box of people filled in if the json lacks them.

    A person whose labelled joints coincide gets the size of the others in the image, or else the `typical` size in the
    json (square pixels, 0 if unknown), or else a hundredth of the image.

    Returns:
        The annotations, and a remark if a size was estimated.
    """
    width, height = (max(0.0, values.number(picture.get(side))) for side in ("width", "height"))
    width, height = (width, height) if width * height > 0 else _PICTURE
    guess = typical_area(annotations) or typical or _SIZE**2 * width * height
    found, guessed = [], 0
    for annotation in annotations:
        if annotation.is_person and not annotation.area:
            annotation = replace(annotation, area=guess)
            guessed += 1
        if annotation.is_person and not annotation.box[2:].all():
            annotation = replace(annotation, box=values.square(annotation.labelled, annotation.area))
        found.append(annotation)
    people = counted(guessed, "person", "people")
    problem = f"{people} labelled at one point, without box: size unknown, taken to be {guess**0.5:.0f} pixels"
    return found, [Remark(problem, adjusted=True)] if guessed else []
