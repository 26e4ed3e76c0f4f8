"""Poses: the people found in one image. What the user gets, and how it turns into what other tools read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

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
    """

    keypoints: np.ndarray
    confidences: np.ndarray
    seen: np.ndarray
    score: float
    skeleton: Skeleton = COCO_17

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
        """JSON-able: score, box, and keypoints by name, each with x, y, confidence and seen."""
        rows = zip(self.skeleton.names, self.keypoints.tolist(), self.confidences.tolist(), self.seen, strict=True)
        points = {
            name: {"x": round(x, 2), "y": round(y, 2), "confidence": round(c, 4), "seen": bool(seen)}
            for name, (x, y), c, seen in rows
        }
        return {"score": round(self.score, 4), "box": [round(v, 2) for v in self.box.tolist()], "keypoints": points}


@dataclass(frozen=True, eq=False)
class Poses:
    """P people with K keypoints each, in one image, best first. Iterate, index, slice or mask it.

    Attributes:
        keypoints: (P, K, 2) float32, x and y in image pixels (pixel i covers [i, i + 1)). A joint is given even where
            nothing of it can be seen, and may then lie outside the image.
        confidences: (P, K) float32 in [0, 1]: how likely the keypoint is right.
        seen: (P, K) bool: the keypoint was voted for at its own place; else the person's other votes inferred it.
        scores: (P,) float32 in [0, 1].
        skeleton: what the K keypoints are.
        image_size: (width, height) of the image, in pixels.
        source: the image's path or name, where it has one.

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

    def __post_init__(self) -> None:
        people, joints = len(np.asarray(self.scores).reshape(-1)), len(self.skeleton)
        expected = {
            "keypoints": ((people, joints, 2), np.float32),
            "confidences": ((people, joints), np.float32),
            "seen": ((people, joints), np.bool_),
            "scores": ((people,), np.float32),
        }
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
        rows = zip(self.keypoints, self.confidences, self.seen, self.scores.tolist(), strict=True)
        return (Pose(*row, self.skeleton) for row in rows)

    def __getitem__(self, index: Any) -> Any:
        """A `Pose` for an int; `Poses` for a slice, a (P,) mask or an array of indices."""
        if isinstance(index, int | np.integer):
            row = self.keypoints[index], self.confidences[index], self.seen[index], float(self.scores[index])
            return Pose(*row, self.skeleton)
        index = index if isinstance(index, slice) else np.asarray(index)
        if isinstance(index, np.ndarray) and not index.size:
            index = index.astype(int)  # an empty list is float64 to NumPy
        arrays = {name: getattr(self, name)[index] for name in ("keypoints", "confidences", "seen", "scores")}
        return replace(self, **arrays)

    def above(self, score: float) -> Poses:
        """The people whose score is at least `score`."""
        return self[self.scores >= score]

    @property
    def boxes(self) -> np.ndarray:
        """(P, 4) float32: x1, y1, x2, y2 of each person's keypoints' hull, in image pixels."""
        return np.concatenate([self.keypoints.min(axis=1), self.keypoints.max(axis=1)], axis=1)

    def to_coco(self, image_id: int, category_id: int = 1) -> list[dict[str, Any]]:
        """COCO results: a dict a person; `keypoints` is flat, x, y, confidence for each of K."""
        flat = np.concatenate([self.keypoints, self.confidences[..., None]], axis=2).reshape(
            len(self), 3 * len(self.skeleton)
        )
        return [
            {"image_id": image_id, "category_id": category_id, "keypoints": [round(v, 3) for v in row], "score": score}
            for row, score in zip(flat.tolist(), self.scores.tolist(), strict=True)
        ]

    def to_record(self, name: str | None = None) -> dict[str, Any]:
        """JSON-able: image (`name`, or the source), width, height, and people as in `Pose.to_record`."""
        width, height = self.image_size
        image = self.source if name is None else name
        return {"image": image, "width": width, "height": height, "people": [pose.to_record() for pose in self]}

    def to_dataframe(self) -> Any:
        """A pandas DataFrame, a row a keypoint: image, person, score, keypoint, x, y, confidence, seen."""
        import pandas as pd

        people, joints = self.confidences.shape
        return pd.DataFrame(
            {
                "image": self.source,
                "person": np.repeat(np.arange(people), joints),
                "score": np.repeat(self.scores, joints),
                "keypoint": self.skeleton.names * people,
                "x": self.keypoints[..., 0].ravel(),
                "y": self.keypoints[..., 1].ravel(),
                "confidence": self.confidences.ravel(),
                "seen": self.seen.ravel(),
            }
        )

    def to_supervision(self) -> Any:
        """A `supervision.KeyPoints` of the same people, for its annotators and trackers."""
        import supervision as sv

        named = {field.name for field in fields(sv.KeyPoints)}
        if "keypoint_confidence" in named:  # the newer name; older versions have no place for a person's score
            arrays = {"keypoint_confidence": self.confidences, "detection_confidence": self.scores}
        else:
            arrays = {"confidence": self.confidences}
        return sv.KeyPoints(xy=self.keypoints, class_id=np.zeros(len(self), dtype=int), **arrays)
