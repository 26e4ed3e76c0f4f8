"""Which annotations of a COCO json are people: those of the categories that have the skeleton which is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from votepose.data.coco_json.values import as_written, identity, missing

Entry = dict[str, Any]


@dataclass(frozen=True)
class People:
    """The category of people.

    Attributes:
        category: the json's entry; None where it lists none with keypoints, which means COCO's people.
        category_id: as the json has it.
        identities: `identity` of the ids that its annotations have: several categories may share a skeleton.
        left_out: which annotations with keypoints are of no such category.
    """

    category: Entry | None
    category_id: int | str
    identities: frozenset[int | str]
    left_out: list[str]

    def include(self, annotation: Entry) -> bool:
        """Whether an annotation is of these categories; one without category is."""
        return missing(annotation.get("category_id")) or _category_of(annotation) in self.identities


def find_people(categories: Sequence[Entry], annotations: Sequence[Entry]) -> People:
    """The people of a json: of several skeletons, the one with the most annotations; the first if they are even."""
    used = Counter(_category_of(a) for a in annotations if _has_joints(a) and not missing(a.get("category_id")))
    skeletons: dict[str, list[Entry]] = {}
    for category in categories:
        if category.get("keypoints"):
            skeletons.setdefault(repr(category["keypoints"]), []).append(category)
    if not skeletons:
        number = next(iter(used)) if len(used) == 1 else 1
        return People(None, number, frozenset({number}), _others(used, {number}, categories))
    chosen = max(skeletons.values(), key=lambda group: sum(used[_id(category)] for category in group))
    others = {_id(c) for group in skeletons.values() if group is not chosen for c in group}
    own = _id(chosen[0])
    identities = {_id(category) for category in chosen} - others  # an id of two skeletons says nothing
    left_out = _others(used, identities, categories)
    if len(categories) == len(used) == 1 and not used[own]:
        ((number, count),) = used.items()
        identities.add(number)
        left_out = [f"{count} annotations have category_id {number}, which is not listed: taken as {own}, the only one"]
    written = chosen[0].get("id")
    return People(chosen[0], own if identity(written) is None else as_written(written), frozenset(identities), left_out)


def _category_of(annotation: Entry) -> int | str:
    found = identity(annotation.get("category_id"))
    return repr(annotation.get("category_id")) if found is None else found


def _has_joints(annotation: Entry) -> bool:
    points = annotation.get("keypoints")
    return isinstance(points, list) and any(not missing(value) and value != 0 for value in points)


def _id(category: Entry) -> int | str:
    found = identity(category.get("id"))
    return 1 if found is None else found


def _others(used: Counter[int | str], people: set[int | str], categories: Sequence[Entry]) -> list[str]:
    """Lines on annotations that have keypoints, but are not of the categories of people."""
    names = {_id(category): f" ({category.get('name', '?')})" for category in categories}
    return [
        f"{count} annotations with keypoints are of category {number}{names.get(number, ', which is not listed')}; "
        "left out"
        for number, count in used.items()
        if number not in people
    ]
