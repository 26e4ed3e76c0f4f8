"""AP of subsets of the people: by size, by how crowded the picture is, by how much of them is hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from votepose.evaluation.error_analysis.pictures import Picture
from votepose.evaluation.error_analysis.scoring import Scorer
from votepose.evaluation.matching import matched_oks
from votepose.letterbox import Letterbox
from votepose.oks import body_sizes
from votepose.skeleton import BODY_SHARE

FOUND = 0.5  # OKS of its match from which a person counts as found
_SHARES = ("none", "under a quarter", "a quarter to a half", "a half and more")
_SHARE_EDGES = (1e-6, 0.25, 0.5)


@dataclass(frozen=True)
class Slice:
    """How well the people of one bin are found.

    Attributes:
        name: of the bin.
        people: how many are labelled.
        ap, ap50, ar: as COCO defines them; None where COCO does not define them.
        found: share of the people with a match of at least `FOUND` OKS.
    """

    name: str
    people: int
    ap: float | None
    ap50: float | None
    ar: float | None
    found: float


@dataclass(frozen=True)
class SliceSpec:
    """A number that people have, and its bins.

    Attributes:
        key: a name in one word. title: what the number is.
        edges: B - 1 numbers, ascending; a number belongs to the bin above the largest edge that it reaches.
        names: of the B bins.
        of_labelled: picture -> (N,) the number of each labelled person.
        of_unmatched: picture -> (P,) the number of each person found, used where it is similar to no labelled person;
            None if such people have no number, so that they count in no bin.
    """

    key: str
    title: str
    edges: tuple[float, ...]
    names: tuple[str, ...]
    of_labelled: Callable[[Picture], np.ndarray]
    of_unmatched: Callable[[Picture], np.ndarray] | None = None


def slice_people(spec: SliceSpec, pictures: Sequence[Picture], scorer: Scorer) -> list[Slice]:
    """A slice for each bin that has people.

    People in other bins are ignored as COCO ignores crowds. A person found belongs to the bin of the most similar
    labelled person.
    """
    bins = {id(picture): np.digitize(spec.of_labelled(picture), spec.edges) for picture in pictures}
    found_bins = {id(picture): _bins_of_found(spec, picture, bins[id(picture)]) for picture in pictures}
    slices = []
    for number, name in enumerate(spec.names):
        inside = [bins[id(picture)] == number for picture in pictures]
        total = int(sum(mask.sum() for mask in inside))
        if not total:
            continue
        ignored = scorer.json_ids(pictures, lambda p, number=number: bins[id(p)] != number)  # type: ignore[misc]
        kept = ((p.sample, p.poses[found_bins[id(p)] == number]) for p in pictures)
        metrics = scorer.all(kept, ignored)
        slices.append(Slice(name, total, metrics.ap, metrics.ap50, metrics.ar, _share_found(pictures, inside)))
    return slices


def coco_sizes(pictures: Sequence[Picture], ap_m: float, ap_l: float) -> list[Slice]:
    """COCO's own AP-M and AP-L, with the number of people they are about and the share of them that was found."""
    areas = [p.sample.areas / np.prod(p.sample.scale) for p in pictures]  # in the json's pixels, as COCO's AP is
    slices = []
    for name, low, high, ap in (("medium, 32 to 96", 32, 96, ap_m), ("large, 96 and more", 96, float("inf"), ap_l)):
        inside = [(area >= low**2) & (area < high**2) for area in areas]
        total = int(sum(mask.sum() for mask in inside))
        if total:
            slices.append(Slice(name, total, ap, None, None, _share_found(pictures, inside)))
    return slices


def slice_specs(input_size: int) -> list[SliceSpec]:
    """All slicings, for a network input whose longest side is `input_size` pixels."""

    def scale(picture: Picture) -> float:
        height, width = picture.sample.image.shape[:2]
        return Letterbox.fit(width, height, input_size).scale

    return [
        SliceSpec(
            "size",
            "size: root of the person's area, in pixels of the network's input",
            (24, 48, 96, 192),
            ("under 24", "24 to 48", "48 to 96", "96 to 192", "192 and more"),
            lambda p: np.sqrt(p.sample.areas) * scale(p),
            lambda p: np.sqrt(BODY_SHARE) * body_sizes(p.poses.keypoints) * scale(p),
        ),
        SliceSpec(
            "crowd",
            "number of labelled people in the picture",
            (2, 3, 6, 11),
            ("1", "2", "3 to 5", "6 to 10", "11 and more"),
            lambda p: np.full(len(p.sample.keypoints), len(p.sample.keypoints)),
            lambda p: np.full(len(p.poses), max(1, len(p.sample.keypoints))),
        ),
        SliceSpec(
            "hidden",
            "share of the person's labelled joints that are hidden (v = 1)",
            _SHARE_EDGES,
            _SHARES,
            _hidden_shares,
        ),
        SliceSpec(
            "covered",
            "share of the person's box that another labelled person's box covers",
            _SHARE_EDGES,
            _SHARES,
            _covered_shares,
        ),
    ]


def _bins_of_found(spec: SliceSpec, picture: Picture, bins: np.ndarray) -> np.ndarray:
    """(P,) the bin of each person found; -1 for none."""
    own = np.full(len(picture.poses), -1)
    if spec.of_unmatched is not None:
        own = np.digitize(spec.of_unmatched(picture), spec.edges)
    return np.where(picture.most_similar >= 0, bins[picture.most_similar], own) if len(bins) else own


def _share_found(pictures: Sequence[Picture], inside: Sequence[np.ndarray]) -> float:
    """The share found of the people that are true in `inside`, (N,) bool of each picture."""
    found = sum(_found(picture)[mask].sum() for picture, mask in zip(pictures, inside, strict=True))
    return float(found) / sum(int(mask.sum()) for mask in inside)


def _found(picture: Picture) -> np.ndarray:
    """(N,) bool: matched with an OKS of `FOUND` or more."""
    good = matched_oks(picture.oks, picture.match) >= FOUND
    return np.isin(np.arange(len(picture.sample.keypoints)), picture.match[good])


def _hidden_shares(picture: Picture) -> np.ndarray:
    v = picture.sample.keypoints[..., 2]
    return (v == 1).sum(axis=1) / np.maximum((v > 0).sum(axis=1), 1)


def _covered_shares(picture: Picture) -> np.ndarray:
    """(N,) the largest share of each box that lies in one other."""
    low, high = picture.sample.boxes[:, :2], picture.sample.boxes[:, :2] + picture.sample.boxes[:, 2:]
    sides = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
    shared = np.clip(sides, 0, None).prod(axis=-1)
    np.fill_diagonal(shared, 0)
    areas = np.maximum(picture.sample.boxes[:, 2:].prod(axis=-1), 1e-6)
    return shared.max(axis=1, initial=0) / areas
