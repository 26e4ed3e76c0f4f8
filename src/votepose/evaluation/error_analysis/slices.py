"""AP of some of the people: by size, by how many there are, by how much of them is hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from votepose.evaluation.error_analysis.pictures import Picture
from votepose.evaluation.error_analysis.scoring import Scorer
from votepose.letterbox import Letterbox
from votepose.skeleton import BODY_SHARE

FOUND = 0.5  # OKS from which somebody counts as found


@dataclass(frozen=True)
class Slice:
    """How one kind of person is found.

    Attributes:
        name: of the kind.
        people: how many are labelled.
        ap, ap50, ar: of COCO. None where COCO gives no such number.
        found: share of the people whom somebody found has an OKS of `FOUND` or more with.
    """

    name: str
    people: int
    ap: float | None
    ap50: float | None
    ar: float | None
    found: float


@dataclass(frozen=True)
class Question:
    """What people are told apart by: a number of each, in bins.

    Attributes:
        key: a name in one word. title: what the number is.
        edges: B - 1 numbers, ascending; a number belongs to the bin above the largest edge that it reaches.
        names: of the B bins.
        of_person: picture -> (N,) the number of each labelled person.
        of_stranger: picture -> (P,) the number of each who was found, where that is like nobody labelled; None if such
            people have none and count nowhere.
    """

    key: str
    title: str
    edges: tuple[float, ...]
    names: tuple[str, ...]
    of_person: Callable[[Picture], np.ndarray]
    of_stranger: Callable[[Picture], np.ndarray] | None = None


def ask(question: Question, pictures: Sequence[Picture], scorer: Scorer) -> list[Slice]:
    """A slice a bin that has people.

    The other bins' people count for nothing, as COCO's ignored ones do. Who was found belongs to the bin of the
    labelled person whom they are most like.
    """
    people = {id(picture): np.digitize(question.of_person(picture), question.edges) for picture in pictures}
    strangers = {id(picture): _bins_of_found(question, picture, people[id(picture)]) for picture in pictures}
    slices = []
    for number, name in enumerate(question.names):
        inside = [people[id(picture)] == number for picture in pictures]
        total = int(sum(mask.sum() for mask in inside))
        if not total:
            continue
        ignored = scorer.named(pictures, lambda p, number=number: people[id(p)] != number)  # type: ignore[misc]
        kept = ((p.sample, p.poses[strangers[id(p)] == number]) for p in pictures)
        metrics = scorer.all(kept, ignored)
        found = sum(_found(p)[mask].sum() for p, mask in zip(pictures, inside, strict=True))
        slices.append(Slice(name, total, metrics.ap, metrics.ap50, metrics.ar, float(found) / total))
    return slices


def _bins_of_found(question: Question, picture: Picture, people: np.ndarray) -> np.ndarray:
    """(P,) the bin of each who was found; -1 for none."""
    bins = np.full(len(picture.poses), -1)
    if question.of_stranger is not None:
        bins = np.digitize(question.of_stranger(picture), question.edges)
    return np.where(picture.most_like >= 0, people[picture.most_like], bins) if len(people) else bins


def _found(picture: Picture) -> np.ndarray:
    """(N,) bool: whose own skeleton keeps OKS enough."""
    good = np.zeros(len(picture.sample.keypoints), bool)
    rows = np.flatnonzero(picture.owner >= 0)
    good[picture.owner[rows]] = picture.likeness[rows, picture.owner[rows]] >= FOUND
    return good


def questions(input_size: int) -> list[Question]:
    """All that people are told apart by, for a network input whose longest side is `input_size` pixels."""

    def scale(picture: Picture) -> float:
        height, width = picture.sample.image.shape[:2]
        return Letterbox.fit(width, height, input_size).scale

    return [
        Question(
            "size",
            "size: root of the person's area, in pixels of the network's input",
            (24, 48, 96, 192),
            ("under 24", "24 to 48", "48 to 96", "96 to 192", "192 and more"),
            lambda p: np.sqrt(p.sample.areas) * scale(p),
            lambda p: np.sqrt(BODY_SHARE * np.ptp(p.poses.keypoints, axis=1).prod(axis=-1)) * scale(p),
        ),
        Question(
            "crowd",
            "number of labelled people in the picture",
            (2, 3, 6, 11),
            ("1", "2", "3 to 5", "6 to 10", "11 and more"),
            lambda p: np.full(len(p.sample.keypoints), len(p.sample.keypoints)),
            lambda p: np.full(len(p.poses), max(1, len(p.sample.keypoints))),
        ),
        Question(
            "hidden",
            "share of the person's labelled joints that are hidden (v = 1)",
            (1e-6, 0.25, 0.5),
            ("none", "under a quarter", "a quarter to a half", "a half and more"),
            _hidden,
        ),
        Question(
            "covered",
            "share of the person's box that another labelled person's box covers",
            (1e-6, 0.25, 0.5),
            ("none", "under a quarter", "a quarter to a half", "a half and more"),
            _covered,
        ),
    ]


def _hidden(picture: Picture) -> np.ndarray:
    v = picture.sample.keypoints[..., 2]
    return (v == 1).sum(axis=1) / np.maximum((v > 0).sum(axis=1), 1)


def _covered(picture: Picture) -> np.ndarray:
    """(N,) the largest share of each box that lies in one other."""
    low, high = picture.sample.boxes[:, :2], picture.sample.boxes[:, :2] + picture.sample.boxes[:, 2:]
    sides = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
    shared = np.clip(sides, 0, None).prod(axis=-1)
    np.fill_diagonal(shared, 0)
    areas = np.maximum(picture.sample.boxes[:, 2:].prod(axis=-1), 1e-6)
    return shared.max(axis=1, initial=0) / areas


def coco_sizes(pictures: Sequence[Picture], ap_m: float, ap_l: float) -> list[Slice]:
    """COCO's own AP-M and AP-L, with how many people they are of and who of them was found."""
    slices = []
    for name, low, high, ap in (("medium, 32 to 96", 32, 96, ap_m), ("large, 96 and more", 96, float("inf"), ap_l)):
        areas = [p.sample.areas / np.prod(p.sample.scale) for p in pictures]  # in the json's pixels, as COCO's AP is
        inside = [(area >= low**2) & (area < high**2) for area in areas]
        total = int(sum(mask.sum() for mask in inside))
        found = sum(_found(p)[mask].sum() for p, mask in zip(pictures, inside, strict=True))
        if total:
            slices.append(Slice(name, total, ap, None, None, float(found) / total))
    return slices
