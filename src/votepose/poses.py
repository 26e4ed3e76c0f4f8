"""Poses: the people found in one image. What the user gets. How others' formats become Poses and back: conversions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from votepose import conversions
from votepose.skeleton import COCO_17, Skeleton


@dataclass(frozen=True, eq=False)
class Pose:
    """One person. `pose["left_wrist"]` is that keypoint's (x, y).

    Attributes:
        keypoints: (K, 2) float32, x and y in image pixels (pixel i covers [i, i + 1)).
        confidences: (K,) float32 in [0, 1].
        seen: (K,) bool, see `Poses`.
        score: of the person, in [0, 1].
        skeleton: what the K keypoints are.
        id: who it is, over the frames of a video, from 1; None if that was not tracked.
    """

    keypoints: np.ndarray
    confidences: np.ndarray
    seen: np.ndarray
    score: float
    skeleton: Skeleton = COCO_17
    id: int | None = None

    def __getitem__(self, name: str) -> np.ndarray:
        """(2,) float32: x and y of the keypoint called `name`. Raises KeyError if the skeleton has none."""
        if name not in self.skeleton.names:
            raise KeyError(f"no keypoint {name!r}; there are {', '.join(self.skeleton.names)}")
        return self.keypoints[self.skeleton.names.index(name)]

    @property
    def box(self) -> np.ndarray:
        """(4,) float32: x1, y1, x2, y2 of the keypoints' hull, in image pixels."""
        return np.concatenate([self.keypoints.min(axis=0), self.keypoints.max(axis=0)])

    def to_record(self) -> dict[str, Any]:
        """JSON-able: id (if tracked), score, box, and keypoints by name, each with x, y, confidence and seen."""
        rows = zip(self.skeleton.names, self.keypoints.tolist(), self.confidences.tolist(), self.seen, strict=True)
        points = {
            name: {"x": round(x, 2), "y": round(y, 2), "confidence": round(c, 4), "seen": bool(seen)}
            for name, (x, y), c, seen in rows
        }
        known = {} if self.id is None else {"id": self.id}
        return known | {
            "score": round(self.score, 4),
            "box": [round(v, 2) for v in self.box.tolist()],
            "keypoints": points,
        }


@dataclass(frozen=True, eq=False)
class Poses:
    """P people with K keypoints each, in one image, best first. Iterate, index, slice or mask it.

    Attributes:
        keypoints: (P, K, 2) float32, x and y in image pixels (pixel i covers [i, i + 1)). A joint is given even where
            nothing of it can be seen, and may then lie outside the image.
        confidences: (P, K) float32 in [0, 1]: the share of OKS that the keypoint is expected to keep.
        seen: (P, K) bool: the keypoint is visible; else it was inferred from the rest of the body.
        scores: (P,) float32 in [0, 1].
        skeleton: what the K keypoints are.
        image_size: (width, height) of the image, in pixels.
        source: the image's path or name, where it has one.
        ids: (P,) int, who each is over the frames of a video, see `tracking`; None where nobody was tracked.

    Raises:
        ValueError: if shapes do not fit, the message says which was expected; or if a keypoint is not finite.
    """

    keypoints: np.ndarray
    confidences: np.ndarray
    seen: np.ndarray
    scores: np.ndarray
    skeleton: Skeleton = COCO_17
    image_size: tuple[int, int] = (0, 0)
    source: str | None = None
    ids: np.ndarray | None = None

    def __post_init__(self) -> None:
        people, joints = len(np.asarray(self.scores).reshape(-1)), len(self.skeleton)
        expected: dict[str, tuple[tuple[int, ...], type]] = {
            "keypoints": ((people, joints, 2), np.float32),
            "confidences": ((people, joints), np.float32),
            "seen": ((people, joints), np.bool_),
            "scores": ((people,), np.float32),
        } | ({} if self.ids is None else {"ids": ((people,), np.int64)})
        for name, (shape, dtype) in expected.items():
            array: np.ndarray = np.asarray(getattr(self, name), dtype=dtype)
            if array.shape != shape:
                message = f"{people} scores and {joints} names in the skeleton"
                raise ValueError(f"{name} should be {shape}, for {message}, but is {array.shape}")
            object.__setattr__(self, name, array)
        if not np.isfinite(self.keypoints).all():  # JSON has no NaN, and a drawing no place for one
            raise ValueError("keypoints should be finite; give an unknown one any place and confidence 0")

    @classmethod
    def empty(
        cls, skeleton: Skeleton = COCO_17, image_size: tuple[int, int] = (0, 0), source: str | None = None
    ) -> Poses:
        """Nobody, in an image of (width, height) `image_size`."""
        joints = len(skeleton)
        none = np.zeros((0, joints))
        return cls(np.zeros((0, joints, 2)), none, none, np.zeros(0), skeleton, image_size, source)

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Pose]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        """A `Pose` for an int; `Poses` for a slice, a (P,) mask or an array of indices."""
        if isinstance(index, int | np.integer):
            row = self.keypoints[index], self.confidences[index], self.seen[index], float(self.scores[index])
            return Pose(*row, self.skeleton, None if self.ids is None else int(self.ids[index]))
        index = index if isinstance(index, slice) else np.asarray(index)
        if isinstance(index, np.ndarray) and not index.size:
            index = index.astype(int)  # an empty list is float64 to NumPy
        names = ("keypoints", "confidences", "seen", "scores") + (() if self.ids is None else ("ids",))
        return replace(self, **{name: getattr(self, name)[index] for name in names})

    def above(self, score: float) -> Poses:
        """The people whose score is at least `score`."""
        return self[self.scores >= score]

    @property
    def boxes(self) -> np.ndarray:
        """(P, 4) float32: x1, y1, x2, y2 of each person's keypoints' hull, in image pixels."""
        return np.concatenate([self.keypoints.min(axis=1), self.keypoints.max(axis=1)], axis=1)

    def to_coco(self, image_id: int, category_id: int = 1) -> list[dict[str, Any]]:
        """COCO results, see `conversions.to_coco`."""
        return conversions.to_coco(self, image_id, category_id)

    @classmethod
    def from_coco(
        cls,
        people: Sequence[Mapping[str, Any]],
        skeleton: Skeleton = COCO_17,
        image_size: tuple[int, int] = (0, 0),
        source: str | None = None,
    ) -> Poses:
        """The people of COCO results or annotations of one image, see `conversions.from_coco`."""
        return conversions.from_coco(people, skeleton, image_size, source)

    def to_record(self, name: str | None = None) -> dict[str, Any]:
        """JSON-able: image (`name`, or the source), width, height, and people as in `Pose.to_record`."""
        width, height = self.image_size
        image = self.source if name is None else name
        return {"image": image, "width": width, "height": height, "people": [pose.to_record() for pose in self]}

    @classmethod
    def from_record(cls, record: Mapping[str, Any], skeleton: Skeleton = COCO_17) -> Poses:
        """The inverse of `to_record`, to the digits that it keeps: a line of `poses.jsonl`."""
        return conversions.from_record(record, skeleton)

    def to_dataframe(self) -> Any:
        """A pandas DataFrame, a row a keypoint, see `conversions.to_dataframe`."""
        return conversions.to_dataframe(self)

    @classmethod
    def from_dataframe(cls, frame: Any, skeleton: Skeleton = COCO_17, image_size: tuple[int, int] = (0, 0)) -> Poses:
        """The inverse of `to_dataframe`, see `conversions.from_dataframe`."""
        return conversions.from_dataframe(frame, skeleton, image_size)

    def to_supervision(self) -> Any:
        """A `supervision.KeyPoints` of the same people, see `conversions.to_supervision`."""
        return conversions.to_supervision(self)

    @classmethod
    def from_supervision(
        cls, points: Any, skeleton: Skeleton = COCO_17, image_size: tuple[int, int] = (0, 0), source: str | None = None
    ) -> Poses:
        """The inverse of `to_supervision`, see `conversions.from_supervision`."""
        return conversions.from_supervision(points, skeleton, image_size, source)
