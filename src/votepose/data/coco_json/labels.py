"""The labels of a COCO json: images, people and their skeleton."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from votepose.data.coco_json.annotations import Annotation, read_annotations, sized, typical_area
from votepose.data.coco_json.categories import People, find_people
from votepose.data.coco_json.listing import Listing, list_pictures
from votepose.data.coco_json.values import as_written
from votepose.data.remarks import Remark
from votepose.errors import VoteposeError
from votepose.skeleton import COCO_17, Skeleton


@dataclass(frozen=True)
class LabelledImage:
    """An image in a COCO json.

    Attributes:
        image_id: its id, as in the json.
        entry: its entry in the json.
        annotations: its annotations, in the order of the json.
        remarks: remarks on annotations that were left out or adjusted.
    """

    image_id: int | str
    entry: dict[str, Any]
    annotations: list[Annotation]
    remarks: list[Remark]


@dataclass(frozen=True)
class CocoLabels:
    """The labels of a COCO json.

    Attributes:
        pictures: the images by the `identity` of their ids, in the order of the json.
        skeleton: skeleton of the people.
        people: category of the people.
        left_out: remarks on unusable data outside these images.
    """

    pictures: dict[int | str, LabelledImage]
    skeleton: Skeleton
    people: People
    left_out: list[Remark] = field(default_factory=list)

    def ignoring(self, numbers: Collection[int]) -> CocoLabels:
        """The same labels, but people with these numbers become ignore regions."""
        if not numbers:
            return self
        pictures = {
            key: replace(p, annotations=[replace(a, crowd=a.crowd or a.number in numbers) for a in p.annotations])
            for key, p in self.pictures.items()
        }
        return replace(self, pictures=pictures)


def read_coco_json(path: Path) -> dict[str, Any]:
    """Read a COCO json in UTF-8, -16 or -32.

    Raises:
        VoteposeError: if it is missing, not json, or not in COCO format.
    """
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise VoteposeError(
            f"{path}: not found; a data folder holds annotations.json beside images/ or images-*.zip, or a data.yaml"
        ) from None
    except (OSError, ValueError) as error:
        raise VoteposeError(f"{path}: not readable as json ({error})") from None
    if not isinstance(data, dict) or not isinstance(data.get("images"), list) or not data["images"]:
        raise VoteposeError(f"{path}: lists no images; it should be a COCO keypoints json")
    for section in ("annotations", "categories"):
        entries = data.get(section) or []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise VoteposeError(f"{path}: its {section} are not a list of objects; it should be a COCO keypoints json")
    return data


def coco_labels(data: dict[str, Any], source: Path | str = "the json") -> CocoLabels:
    """Parse the labels in a COCO json.

    Unambiguous deviations are accepted: ids of any type, numbers as text, null for what is not labelled. Anything else
        is listed in `left_out`, or in its image's `remarks`. Of several skeletons, the one with the most annotations is
        used. The ids of annotations do not matter.

    Raises:
        VoteposeError: if the category cannot be used; the message calls the json `source`.
    """
    people = find_people(data.get("categories") or [], data.get("annotations") or [])
    try:
        skeleton = Skeleton.from_coco_category(people.category) if people.category else COCO_17
    except (TypeError, ValueError) as error:
        raise VoteposeError(f"{source}: its category cannot be used ({error})") from None
    listing = list_pictures(data.get("images") or [])
    entries: dict[int | str, list[dict[str, Any]]] = {key: [] for key in listing.entries}
    foreign: Counter[str] = Counter()
    for annotation in filter(people.include, data.get("annotations") or []):
        key = listing.key(annotation.get("image_id"))
        if key is None:
            foreign[repr(annotation.get("image_id"))] += 1
        else:
            entries[key].append(annotation)
    left_out = [*people.left_out, *listing.left_out]
    if foreign:
        ids = ", ".join([*list(foreign)[:3], *(["…"] if len(foreign) > 3 else [])])
        problem = f"{foreign.total()} annotations have an image_id without a usable image ({ids}); left out"
        left_out.append(Remark(problem))
    return CocoLabels(_pictures(listing, entries, len(skeleton)), skeleton, people, left_out)


def _pictures(
    listing: Listing, entries: dict[int | str, list[dict[str, Any]]], joints: int
) -> dict[int | str, LabelledImage]:
    read = {key: read_annotations(annotations, joints) for key, annotations in entries.items()}
    typical = typical_area([person for people, _ in read.values() for person in people])
    numbers, pictures = count(1), {}
    for key, (people, remarks) in read.items():
        entry = listing.entries[key]
        whole, guessed = sized(people, entry, typical)
        numbered = [replace(annotation, number=next(numbers)) for annotation in whole]
        remarks = [*listing.remarks.get(key, []), *remarks, *guessed]
        pictures[key] = LabelledImage(as_written(entry["id"]), entry, numbered, remarks)
    return pictures
