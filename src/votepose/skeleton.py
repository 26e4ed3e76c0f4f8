"""A body's keypoints: their names, sides, left-right pairs, links and OKS tolerances. Nothing else knows them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from votepose.errors import VoteposeError

BODY_SHARE = 0.53  # the average fraction of its box that a body fills: COCO's OKS uses the body's area
_DEFAULT_SIGMA = 0.08  # where a COCO json gives none: between COCO's shoulder and elbow


@dataclass(frozen=True)
class Skeleton:
    """K named keypoints of one kind of body.

    Attributes:
        names: K keypoint names, in the order of every array of keypoints.
        links: pairs of keypoint indices that a drawing joins.
        sigmas: K per-keypoint tolerances of COCO's OKS, relative to the square root of the person's area.
        category: of the body, as in COCO: "person".

    Raises:
        VoteposeError: if names repeat, a link is out of range, or the numbers of names and sigmas differ.
    """

    names: tuple[str, ...]
    links: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]
    category: str = "person"

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names):
            raise VoteposeError(f"keypoint names repeat: {', '.join(self.names)}")
        if len(self.sigmas) != len(self.names):
            raise VoteposeError(f"{len(self.names)} keypoints but {len(self.sigmas)} sigmas")
        for link in self.links:
            if not all(0 <= k < len(self.names) for k in link):
                raise VoteposeError(f"link {link} names a keypoint outside 0..{len(self.names) - 1}")

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def flip(self) -> np.ndarray:
        """(K,) int: the index of each keypoint's mirror image, itself where it has none; by name (`_SIDE`)."""
        index = {name: i for i, name in enumerate(self.names)}
        return np.array([index.get(_mirrored(name), i) for i, name in enumerate(self.names)])

    @cached_property
    def sides(self) -> np.ndarray:
        """(K,) int: -1 on the body's left, 1 on its right, 0 where `flip` finds no mirror image; by name (`_SIDE`)."""
        paired = self.flip != np.arange(len(self))
        return np.array([_side(name) if pair else 0 for name, pair in zip(self.names, paired, strict=True)])

    @cached_property
    def kappas(self) -> np.ndarray:
        """(K,) float32: OKS's fall-off constants, 2 sigma (COCO keypoint evaluation)."""
        return 2 * np.asarray(self.sigmas, dtype=np.float32)

    @classmethod
    def from_coco_category(cls, category: Mapping[str, Any]) -> Skeleton:
        """Read a COCO json's category: `keypoints`, `skeleton` (1-based pairs) and, where given, `sigmas`.

        Raises:
            VoteposeError: if the category lists no keypoints, or is inconsistent.
        """
        names: Sequence[str] = category.get("keypoints") or ()
        if not names:
            raise VoteposeError(f"category {category.get('name', '?')!r} lists no keypoints")
        if tuple(names) == COCO_17.names:
            return COCO_17
        sigmas = category.get("sigmas") or [_DEFAULT_SIGMA] * len(names)
        links = tuple((int(a) - 1, int(b) - 1) for a, b in category.get("skeleton") or ())
        return cls(tuple(names), links, tuple(float(s) for s in sigmas), str(category.get("name", "person")))

    def to_coco_category(self) -> dict[str, Any]:
        """The category entry of a COCO json; the inverse of `from_coco_category`."""
        links = [[a + 1, b + 1] for a, b in self.links]
        return {
            "id": 1,
            "name": self.category,
            "keypoints": list(self.names),
            "skeleton": links,
            "sigmas": list(self.sigmas),
        }


# The side is at the start of the name (left_eye, LeftEye), a word of it (eye_l, "eye (left)") or capitalised (eyeLeft).
_SIDE = re.compile(r"^(?i:left|right)|(?<![A-Za-z])(?i:left|right|l|r)(?![A-Za-z])|Left|Right")
_OPPOSITE = {"left": "right", "right": "left", "l": "r", "r": "l"}


def _side(name: str) -> int:
    """-1 for a name of the left side, 1 of the right, 0 of neither."""
    match = _SIDE.search(name)
    return 0 if match is None else -1 if match[0].lower() in ("left", "l") else 1


def _mirrored(name: str) -> str:
    """The name with left and right exchanged."""

    def turn(match: re.Match[str]) -> str:
        side = match[0]
        other = _OPPOSITE[side.lower()]
        return other.upper() if side.isupper() else other.capitalize() if side[0].isupper() else other

    return _SIDE.sub(turn, name, count=1)


# fmt: off
COCO_17 = Skeleton(
    names=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
        "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
        "right_ankle",
    ),
    links=(
        (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
        (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
    ),
    sigmas=(
        0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089,
        0.089,
    ),
)
# fmt: on
