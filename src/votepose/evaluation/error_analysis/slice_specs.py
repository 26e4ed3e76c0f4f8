"""The attributes by which the analysis groups people: size, crowding, and share hidden or covered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from votepose.evaluation.error_analysis.matched_image import MatchedImage
from votepose.letterbox import Letterbox
from votepose.oks import body_sizes
from votepose.skeleton import BODY_SHARE

_SHARES = ("none", "under a quarter", "a quarter to a half", "a half and more")
_SHARE_EDGES = (1e-6, 0.25, 0.5)


@dataclass(frozen=True)
class SliceSpec:
    """An attribute of people, and its bins.

    Attributes:
        key: short name. title: description.
        edges: B - 1 ascending values; a value belongs to the bin above the largest edge that it reaches.
        names: names of the B bins.
        of_labelled: image -> (N,) the value of each labelled person.
        of_unmatched: image -> (P,) the value of each person found, used for those similar to no labelled person; None
            to exclude these from all bins.
    """

    key: str
    title: str
    edges: tuple[float, ...]
    names: tuple[str, ...]
    of_labelled: Callable[[MatchedImage], np.ndarray]
    of_unmatched: Callable[[MatchedImage], np.ndarray] | None = None


def slice_specs(input_size: int) -> list[SliceSpec]:
    """All specifications, for a network input whose longest side is `input_size` pixels."""

    def scale(picture: MatchedImage) -> float:
        height, width = picture.sample.image.shape[:2]
        return Letterbox.fit(width, height, input_size).scale

    return [
        SliceSpec(
            "size",
            "size: square root of the person's area, in input pixels",
            (24, 48, 96, 192),
            ("under 24", "24 to 48", "48 to 96", "96 to 192", "192 and more"),
            lambda p: np.sqrt(p.sample.areas) * scale(p),
            lambda p: np.sqrt(BODY_SHARE) * body_sizes(p.poses.keypoints) * scale(p),
        ),
        SliceSpec(
            "crowd",
            "number of labelled people in the image",
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


def _hidden_shares(picture: MatchedImage) -> np.ndarray:
    v = picture.sample.keypoints[..., 2]
    return (v == 1).sum(axis=1) / np.maximum((v > 0).sum(axis=1), 1)


def _covered_shares(picture: MatchedImage) -> np.ndarray:
    """(N,) the largest share of each box that another box covers."""
    low, high = picture.sample.boxes[:, :2], picture.sample.boxes[:, :2] + picture.sample.boxes[:, 2:]
    sides = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
    shared = np.clip(sides, 0, None).prod(axis=-1)
    np.fill_diagonal(shared, 0)
    areas = np.maximum(picture.sample.boxes[:, 2:].prod(axis=-1), 1e-6)
    return shared.max(axis=1, initial=0) / areas
