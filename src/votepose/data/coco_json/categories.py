"""Finds the annotations of people in a COCO json: those whose category has the chosen skeleton."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from votepose.data.coco_json.values import as_written, identity, missing
from votepose.data.remarks import Remark

Entry = dict[str, Any]


@dataclass(frozen=True)
class People:
    """The category of people.

    Attributes:
        category: the json's entry; None if no category has keypoints, which means COCO's people.
        category_id: its id, as in the json.
        identities: `identity` of its annotations' category ids; several categories may share a skeleton.
        left_out: remarks on annotations with keypoints in other categories.
    """

    category: Entry | None
    category_id: int | str
    identities: frozenset[int | str]
    left_out: list[Remark]

    def include(self, annotation: Entry) -> bool:
        """Whether an annotation belongs to these categories; one without a category does."""
        return missing(annotation.get("category_id")) or _category_of(annotation) in self.identities


def find_people(categories: Sequence[Entry], annotations: Sequence[Entry]) -> People:
    """The people of a json. Of several skeletons, it chooses the one with the most annotations, or the first of
    equals."""
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
    identities = {_id(category) for category in chosen} - others  # an id shared by two skeletons is ambiguous
    left_out = _others(used, identities, categories)
    if len(categories) == len(used) == 1 and not used[own]:
        ((number, count),) = used.items()
        identities.add(number)
        problem = f"{count} annotations have category_id {number}, which is not listed: taken as {own}, the only one"
        left_out = [Remark(problem, adjusted=True)]
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


def _others(used: Counter[int | str], people: set[int | str], categories: Sequence[Entry]) -> list[Remark]:
    """Remarks on annotations that have keypoints but are not in the categories of people."""
    names = {_id(category): f" ({category.get('name', '?')})" for category in categories}
    return [
        Remark(
            f"{count} annotations with keypoints are of category {number}{names.get(number, ', which is not listed')}; "
            "left out"
        )
        for number, count in used.items()
        if number not in people
    ]
