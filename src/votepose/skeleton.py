"""A body's keypoints: names, sides, left-right pairs, links and OKS tolerances, defined only here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from votepose.errors import VoteposeError
from votepose.utils.sides import names_a_side, pairs_by_name

BODY_SHARE = 0.53  # average fraction of its box that a body fills; COCO's OKS uses the body's area
_DEFAULT_SIGMA = 0.08  # for COCO jsons without sigmas: between COCO's shoulder and elbow


@dataclass(frozen=True)
class Skeleton:
    """K named keypoints of one kind of body.

    Attributes:
        names: K keypoint names, in the order of every array of keypoints.
        links: pairs of keypoint indices that drawings connect.
        sigmas: K per-keypoint tolerances of COCO's OKS, relative to the square root of the person's area.
        category: name of the body's category, such as COCO's "person".
        flip_pairs: pairs of left and right keypoint indices, which mirroring swaps; None to pair them by name.

    Raises:
        VoteposeError: if names repeat, a link or pair is out of range, a keypoint is in two pairs, or the numbers of
            names and sigmas differ.
    """

    names: tuple[str, ...]
    links: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]
    category: str = "person"
    flip_pairs: tuple[tuple[int, int], ...] | None = None

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names):
            raise VoteposeError(f"keypoint names repeat: {', '.join(self.names)}")
        if len(self.sigmas) != len(self.names):
            raise VoteposeError(f"{len(self.names)} keypoints but {len(self.sigmas)} sigmas")
        for link in self.links:
            if not all(0 <= k < len(self.names) for k in link):
                raise VoteposeError(f"link {link} names a keypoint outside 0..{len(self.names) - 1}")
        paired = [k for pair in self.flip_pairs or () for k in pair]
        if len(set(paired)) != len(paired) or not all(0 <= k < len(self.names) for k in paired):
            raise VoteposeError(f"flip_pairs {self.flip_pairs} should name each keypoint at most once")

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        """Such as "Skeleton(person, 17 keypoints)": short, because the reprs of poses and signatures contain it."""
        return f"Skeleton({self.category}, {len(self)} keypoints)"

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs of left and right keypoint indices: `flip_pairs`, or derived from the names."""
        return pairs_by_name(self.names) if self.flip_pairs is None else self.flip_pairs

    @cached_property
    def flip(self) -> np.ndarray:
        """(K,) int: index of each keypoint's mirror image, its own if it has none (see `pairs`)."""
        flip = np.arange(len(self))
        for left, right in self.pairs:
            flip[[left, right]] = right, left
        return flip

    @cached_property
    def sides(self) -> np.ndarray:
        """(K,) int: -1 on the body's left, 1 on its right, 0 in the middle (see `pairs`)."""
        sides = np.zeros(len(self), int)
        for left, right in self.pairs:
            sides[[left, right]] = -1, 1
        return sides

    @property
    def joints(self) -> tuple[object, ...]:
        """What labels must agree in to be used together: names, left-right pairs and sigmas."""
        return self.names, self.pairs, self.sigmas

    @property
    def side_remark(self) -> str:
        """A warning if the names do not tell which keypoints mirroring should swap, else ""."""
        alone = [name for name, side in zip(self.names, self.sides, strict=True) if not side]
        one_sided = [name for name in alone if names_a_side(name)]
        if self.flip_pairs is not None or len(self) < 2 or not (one_sided or len(alone) > len(self) / 2):
            return ""
        listed = ", ".join([*(one_sided or alone)[:3], *(["…"] if len(one_sided or alone) > 3 else [])])
        return (
            f"{len(one_sided or alone)} of {len(self)} keypoints have no left-right counterpart by their names "
            f"({listed}): mirroring does not swap them; list pairs as flip_pairs in the json's category, or as "
            "flip_idx in a data.yaml"
        )

    @cached_property
    def kappas(self) -> np.ndarray:
        """(K,) float32: OKS's fall-off constants, 2 sigma (COCO keypoint evaluation)."""
        return 2 * np.asarray(self.sigmas, dtype=np.float32)

    @classmethod
    def from_coco_category(cls, category: Mapping[str, Any]) -> Skeleton:
        """Read the category of a COCO json: `keypoints`, `skeleton` (1-based pairs) and, if given, `sigmas`.

        `flip_pairs`, an extension of COCO, lists the left-right pairs, by keypoint name or by number from 1. For COCO's
        own 17 keypoints, links and sigmas that are not given are COCO's.

        Raises:
            VoteposeError: if the category lists no keypoints, or is inconsistent.
        """
        names: Sequence[str] = category.get("keypoints") or ()
        if not names:
            raise VoteposeError(f"category {category.get('name', '?')!r} lists no keypoints")
        coco = tuple(names) == COCO_17.names
        sigmas = category.get("sigmas") or (COCO_17.sigmas if coco else [_DEFAULT_SIGMA] * len(names))
        pairs = category.get("flip_pairs")
        stated = None if pairs is None else _stated_pairs(pairs, names)
        try:
            links = tuple((int(a) - 1, int(b) - 1) for a, b in category.get("skeleton") or ())
            tolerances = tuple(float(sigma) for sigma in sigmas)
        except (TypeError, ValueError):
            raise VoteposeError(
                f"category {category.get('name', '?')!r}: `skeleton` should be pairs of keypoint numbers from 1, and "
                "`sigmas` numbers"
            ) from None
        if coco:
            links, stated = links or COCO_17.links, None if stated == COCO_17.pairs else stated
        found = cls(tuple(names), links, tolerances, str(category.get("name", "person")), stated)
        return COCO_17 if found == COCO_17 else found

    def to_coco_category(self) -> dict[str, Any]:
        """The category entry of a COCO json; the inverse of `from_coco_category`."""
        links = [[a + 1, b + 1] for a, b in self.links]
        return {
            "id": 1,
            "name": self.category,
            "keypoints": list(self.names),
            "skeleton": links,
            "sigmas": list(self.sigmas),
            **({} if self.flip_pairs is None else {"flip_pairs": [[a + 1, b + 1] for a, b in self.flip_pairs]}),
        }


def _stated_pairs(pairs: Sequence[Any], names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Pairs of names, or of 1-based numbers, as indices."""
    index: dict[Any, int] = {name: k for k, name in enumerate(names)} | {k + 1: k for k in range(len(names))}
    try:
        found = tuple((index[a], index[b]) for a, b in pairs)
    except (KeyError, TypeError, ValueError):
        raise VoteposeError(
            f"flip_pairs should be pairs of keypoints, left and right, by name or by number from 1: {pairs!r}"
        ) from None
    return found


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
