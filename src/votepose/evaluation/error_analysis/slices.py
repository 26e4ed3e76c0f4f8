"""Computes AP of subsets of people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from votepose.evaluation.error_analysis.matched_image import MatchedImage
from votepose.evaluation.error_analysis.scoring import Scorer
from votepose.evaluation.error_analysis.slice_specs import SliceSpec
from votepose.evaluation.matching import matched_oks

FOUND = 0.5  # minimum OKS of a person's match to count as found


@dataclass(frozen=True)
class Slice:
    """The results for the people in one bin.

    Attributes:
        name: name of the bin.
        people: number of labelled people.
        ap, ap50, ar: COCO metrics; None where COCO does not define them.
        found: share of the people with a match of at least `FOUND` OKS.
    """

    name: str
    people: int
    ap: float | None
    ap50: float | None
    ar: float | None
    found: float


def slice_people(spec: SliceSpec, pictures: Sequence[MatchedImage], scorer: Scorer) -> list[Slice]:
    """One slice for each bin that has people.

    People in other bins are ignored, as COCO ignores crowds. A detection belongs to the bin of the most similar
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
        ignored = scorer.numbers_of(pictures, lambda p, number=number: bins[id(p)] != number)  # type: ignore[misc]
        kept = ((p.sample, p.poses[found_bins[id(p)] == number]) for p in pictures)
        metrics = scorer.all(kept, ignored)
        slices.append(Slice(name, total, metrics.ap, metrics.ap50, metrics.ar, _share_found(pictures, inside)))
    return slices


def coco_sizes(pictures: Sequence[MatchedImage], ap_m: float, ap_l: float) -> list[Slice]:
    """COCO's AP-M and AP-L, with the number of people and the share found."""
    areas = [p.sample.areas / np.prod(p.sample.scale) for p in pictures]  # in the json's pixels, as for COCO's AP
    slices = []
    for name, low, high, ap in (("medium, 32 to 96", 32, 96, ap_m), ("large, 96 and more", 96, float("inf"), ap_l)):
        inside = [(area >= low**2) & (area < high**2) for area in areas]
        total = int(sum(mask.sum() for mask in inside))
        if total:
            slices.append(Slice(name, total, ap, None, None, _share_found(pictures, inside)))
    return slices


def _bins_of_found(spec: SliceSpec, picture: MatchedImage, bins: np.ndarray) -> np.ndarray:
    """(P,) the bin of each detection; -1 for none."""
    own = np.full(len(picture.poses), -1)
    if spec.of_unmatched is not None:
        own = np.digitize(spec.of_unmatched(picture), spec.edges)
    return np.where(picture.most_similar >= 0, bins[picture.most_similar], own) if len(bins) else own


def _share_found(pictures: Sequence[MatchedImage], inside: Sequence[np.ndarray]) -> float:
    """The share found of the people selected by `inside`, (N,) bool for each image."""
    found = sum(_found(picture)[mask].sum() for picture, mask in zip(pictures, inside, strict=True))
    return float(found) / sum(int(mask.sum()) for mask in inside)


def _found(picture: MatchedImage) -> np.ndarray:
    """(N,) bool: whether the person is matched with an OKS of `FOUND` or more."""
    good = matched_oks(picture.oks, picture.match) >= FOUND
    return np.isin(np.arange(len(picture.sample.keypoints)), picture.match[good])
