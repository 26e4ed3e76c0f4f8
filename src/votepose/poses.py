"""The people found in one image, and their conversion to and from COCO, records, pandas and supervision."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self, overload

import numpy as np

from votepose.errors import VoteposeError
from votepose.oks import body_sizes
from votepose.skeleton import BODY_SHARE, COCO_17, Skeleton
from votepose.utils.wording import counted


@dataclass(frozen=True, eq=False)
class Pose:
    """One person. `pose["left_wrist"]` is that keypoint's (x, y).

    Attributes:
        keypoints: (K, 2) float32, x and y in image pixels (pixel i covers [i, i + 1)).
        confidences: (K,) float32 in [0, 1].
        seen: (K,) bool, see `Poses`.
        score: score of the person, in [0, 1].
        skeleton: names and links of the K keypoints.
        id: id of the person over the frames of a video, from 1; None if people were not tracked.
    """

    keypoints: np.ndarray
    confidences: np.ndarray
    seen: np.ndarray
    score: float
    skeleton: Skeleton = COCO_17
    id: int | None = None

    def __repr__(self) -> str:
        """Such as "Pose(score 0.78, 15 of 17 keypoints seen)"."""
        known = "" if self.id is None else f"id {self.id}, "
        return f"Pose({known}score {self.score:.2f}, {self.seen.sum()} of {len(self.skeleton)} keypoints seen)"

    def __getitem__(self, name: str) -> np.ndarray:
        """(2,) float32: x and y of the keypoint called `name`. Raises KeyError if the skeleton has none."""
        if name not in self.skeleton.names:
            raise KeyError(f"no keypoint {name!r}; there are {', '.join(self.skeleton.names)}")
        return self.keypoints[self.skeleton.names.index(name)]

    def keys(self) -> tuple[str, ...]:
        """The keypoints' names, so that `dict(pose)` maps each to its (x, y)."""
        return self.skeleton.names

    _ipython_key_completions_ = keys

    def __iter__(self) -> Iterator[str]:
        """The keypoints' names, as of a dict."""
        return iter(self.keys())

    @property
    def box(self) -> np.ndarray:
        """(4,) float32: x1, y1, x2, y2 of the keypoints' hull, in image pixels."""
        return np.concatenate([self.keypoints.min(axis=0), self.keypoints.max(axis=0)])

    def to_record(self) -> dict[str, Any]:
        """A JSON-able dict: id (if tracked), score, box, and keypoints by name, each with x, y, confidence and seen."""
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
        keypoints: (P, K, 2) float32, x and y in image pixels (pixel i covers [i, i + 1)). Hidden joints have positions
            too, possibly outside the image.
        confidences: (P, K) float32 in [0, 1]: the expected OKS of the keypoint.
        seen: (P, K) bool: True if the keypoint is visible, False if it was inferred from the rest of the body.
        scores: (P,) float32 in [0, 1].
        skeleton: names and links of the K keypoints.
        image_size: (width, height) of the image, in pixels.
        source: path or name of the image, if it has one.
        ids: (P,) int, each person's id over the frames of a video, see `video.tracker`; None if not tracked.

    Raises:
        ValueError: if a shape is wrong (the message names the expected one) or a keypoint is not finite.
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
        if not np.isfinite(self.keypoints).all():  # NaN cannot be drawn or stored in JSON
            raise ValueError("keypoints should be finite; give an unknown one any position and confidence 0")

    @classmethod
    def empty(
        cls, skeleton: Skeleton = COCO_17, image_size: tuple[int, int] = (0, 0), source: str | None = None
    ) -> Poses:
        """No people, in an image of (width, height) `image_size`."""
        joints = len(skeleton)
        none = np.zeros((0, joints))
        return cls(np.zeros((0, joints, 2)), none, none, np.zeros(0), skeleton, image_size, source)

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        """Such as "Poses(5 people, 1024x746, best 0.78)"."""
        facts = [counted(len(self), "person", "people")]
        facts += ["x".join(map(str, self.image_size))] if any(self.image_size) else []
        facts += [f"best {self.scores.max():.2f}"] if len(self) else []
        return f"Poses({', '.join(facts)})"

    def __iter__(self) -> Iterator[Pose]:
        return (self[k] for k in range(len(self)))

    @overload
    def __getitem__(self, index: int | np.integer) -> Pose: ...

    @overload
    def __getitem__(self, index: slice | np.ndarray | Sequence[int]) -> Self: ...

    def __getitem__(self, index: Any) -> Any:
        """A `Pose` for an int; `Poses` for a slice, a (P,) mask or an array of indices."""
        if isinstance(index, str):
            raise TypeError(f"poses[{index!r}]: a keypoint belongs to one person, as in poses[0][{index!r}]")
        if isinstance(index, int | np.integer):
            row = self.keypoints[index], self.confidences[index], self.seen[index], float(self.scores[index])
            return Pose(*row, self.skeleton, None if self.ids is None else int(self.ids[index]))
        index = index if isinstance(index, slice) else np.asarray(index)
        if isinstance(index, np.ndarray) and not index.size:
            index = index.astype(int)  # an empty list is float64 to NumPy
        names = ("keypoints", "confidences", "seen", "scores") + (() if self.ids is None else ("ids",))
        return replace(self, **{name: getattr(self, name)[index] for name in names})

    def above(self, score: float) -> Self:
        """The people whose score is at least `score`."""
        return self[self.scores >= score]

    @property
    def boxes(self) -> np.ndarray:
        """(P, 4) float32: x1, y1, x2, y2 of each person's keypoints' hull, in image pixels."""
        return np.concatenate([self.keypoints.min(axis=1), self.keypoints.max(axis=1)], axis=1)

    def to_record(self, name: str | None = None) -> dict[str, Any]:
        """A JSON-able dict: image (`name`, or the source), width, height, and people as in `Pose.to_record`."""
        width, height = self.image_size
        image = self.source if name is None else name
        return {"image": image, "width": width, "height": height, "people": [pose.to_record() for pose in self]}

    def to_json(self) -> str:
        """`to_record` as one line of JSON, as in `poses.jsonl`."""
        return json.dumps(self.to_record())

    @classmethod
    def from_json(cls, line: str | bytes, skeleton: Skeleton = COCO_17) -> Poses:
        """The inverse of `to_json`: reads a line of `poses.jsonl`, see `from_record`.

        Raises:
            VoteposeError: if it is not JSON, or as in `from_record`.
        """
        try:
            record = json.loads(line)
        except ValueError as error:
            raise VoteposeError(f"not a line of poses.jsonl: {error}") from None
        return cls.from_record(record, skeleton)

    @classmethod
    def from_record(cls, record: Mapping[str, Any], skeleton: Skeleton = COCO_17) -> Poses:
        """The inverse of `to_record`, up to its rounding.

        Raises:
            VoteposeError: if it is not such a record, is of another skeleton, or says that the image could not be read.
        """
        if not isinstance(record, Mapping):
            raise VoteposeError(f"a record should be a dict, but is a {type(record).__name__}; from_json reads text")
        if "error" in record:
            raise VoteposeError(f"{record['error']}")
        try:
            people = record["people"]
            points = [[person["keypoints"][name] for name in skeleton.names] for person in people]
            shape = len(people), len(skeleton)
            x, y, confidences, seen = (
                np.array([[p[key] for p in row] for row in points]).reshape(shape)
                for key in ("x", "y", "confidence", "seen")
            )
            scores = np.array([person["score"] for person in people])
            size = int(record["width"]), int(record["height"])
            keypoints, ids = np.stack([x, y], axis=2), _ids(people, "id")
            return cls(keypoints, confidences, seen, scores, skeleton, size, record.get("image"), ids)
        except KeyError as error:
            raise VoteposeError(f"not a record of a {skeleton.category}'s poses: it lacks {error}") from None
        except (TypeError, ValueError):
            raise VoteposeError(
                f"not a record of a {skeleton.category}'s poses: width, height, scores and the x, y and confidence of "
                "each keypoint should be numbers"
            ) from None

    def to_coco(self, image_id: int | str, category_id: int | str = 1) -> list[dict[str, Any]]:
        """COCO results, one dict per person.

        `keypoints` is a flat list of x, y and confidence of each keypoint; `track_id` is present if people were
        tracked. The format cannot hold `seen`, nor the image's size and name.
        """
        image_id, category_id = _plain(image_id), _plain(category_id)
        triples = np.concatenate([self.keypoints, self.confidences[..., None]], axis=2)
        flat = triples.reshape(len(self), 3 * len(self.skeleton))
        results: list[dict[str, Any]] = [
            {"image_id": image_id, "category_id": category_id, "keypoints": [round(v, 3) for v in row], "score": score}
            for row, score in zip(flat.tolist(), self.scores.tolist(), strict=True)
        ]
        for result, number in zip(results, [] if self.ids is None else self.ids.tolist(), strict=False):
            result["track_id"] = number
        return results

    def to_coco_annotations(self, image_id: int, category_id: int = 1, first_id: int = 1) -> list[dict[str, Any]]:
        """COCO annotations, one dict per person: labels for training or CVAT, as opposed to the results of `to_coco`.

        `keypoints` is a flat list of x, y and v of each keypoint, with v = 2 if it is seen, 1 if inferred, and 0 (and x
        = y = 0) if outside the image or unknown (with a confidence of 0). `bbox` (x, y, width, height) encloses the
        other keypoints, and `area` is estimated from it. People without a keypoint in the image are left out; the
        format cannot hold confidences.

        Args:
            image_id, category_id: ids for all annotations.
            first_id: `id` of the first annotation; the others follow consecutively.
        """
        image_id, category_id, first_id = _plain(image_id), _plain(category_id), _plain(first_id)
        width, height = self.image_size
        known_size = bool(width and height)
        within = (self.keypoints >= 0) & (self.keypoints <= (width, height))
        inside = (self.confidences > 0) & (within.all(axis=2) if known_size else True)
        annotations: list[dict[str, Any]] = []
        for k in np.flatnonzero(inside.any(axis=1)):
            known = self.keypoints[k][inside[k]].astype(np.float64)
            box = [round(v, 2) for v in [*known.min(axis=0), *np.maximum(np.ptp(known, axis=0), 1)]]
            v = np.where(inside[k], 1 + self.seen[k], 0)
            triples = np.concatenate([np.where(inside[k][:, None], self.keypoints[k], 0), v[:, None]], axis=1)
            flat = [round(value, 2) if n % 3 < 2 else int(value) for n, value in enumerate(triples.ravel().tolist())]
            annotation = {
                "id": first_id + len(annotations),
                "image_id": image_id,
                "category_id": category_id,
                "keypoints": flat,
                "num_keypoints": int(inside[k].sum()),
                "bbox": box,
                "area": round(BODY_SHARE * float(body_sizes(known)) ** 2, 2),
                "segmentation": [],
                "iscrowd": 0,
            }
            annotations.append(annotation | ({} if self.ids is None else {"track_id": int(self.ids[k])}))
        return annotations

    @classmethod
    def from_coco(
        cls,
        people: Sequence[Mapping[str, Any]],
        skeleton: Skeleton = COCO_17,
        image_size: tuple[int, int] = (0, 0),
        source: str | None = None,
    ) -> Poses:
        """The people of one image, from COCO results or from annotations.

        The third number of a keypoint is the confidence in a result, and the visibility v in an annotation (which has
        no `score`). In an annotation, v = 2 means seen, and the confidence is 0 where v = 0 (not labelled). All
        keypoints of a result count as seen if their confidence is not 0. A keypoint with a confidence of 0 is moved to
        the middle of the person's others, so that it does not count for the person's box and size.

        Raises:
            VoteposeError: if a person's keypoints are not 3 K numbers, or the people are of several images.
        """
        joints = len(skeleton)
        if isinstance(people, Mapping) or not all(isinstance(person, Mapping) for person in people):
            raise VoteposeError("COCO people should be a list of dicts: one image's results or annotations")
        if len(images := {person["image_id"] for person in people if "image_id" in person}) > 1:
            raise VoteposeError(f"COCO people of {len(images)} images: pass those with one image_id")
        for person in people:
            if (count := len(person.get("keypoints") or ())) != 3 * joints:
                expected = f"{joints} keypoints should be {3 * joints} numbers"
                raise VoteposeError(f"COCO person: {expected}, but there are {count}")
        try:
            flat = np.array([person["keypoints"] for person in people], np.float64)
        except (TypeError, ValueError):
            raise VoteposeError(f"COCO person: {joints} keypoints should be {3 * joints} numbers") from None
        triples = flat.reshape(len(people), joints, 3)
        triples[~np.isfinite(triples).all(axis=2)] = 0  # null: not labelled
        labelled = np.array(["score" not in person for person in people], bool)[:, None]
        confidences = np.where(labelled, triples[..., 2] > 0, triples[..., 2])
        seen = np.where(labelled, triples[..., 2] == 2, confidences > 0)
        scores = np.array([person.get("score", 1.0) for person in people])
        ids = _ids(people, "track_id")
        points = _unknown_in_the_middle(triples[..., :2], confidences > 0)
        return cls(points, confidences, seen, scores, skeleton, image_size, source, ids)

    def to_dataframe(self) -> Any:
        """A pandas DataFrame, one row per keypoint: image, person, [id,] score, keypoint, x, y, confidence, seen.

        Without people it has no rows. The image's size is not included.
        """
        import pandas as pd

        people, joints = self.confidences.shape
        columns = {
            "image": np.array([self.source] * (people * joints), dtype=object),
            "person": np.repeat(np.arange(people), joints),
            "id": None if self.ids is None else np.repeat(self.ids, joints),
            "score": np.repeat(self.scores, joints),
            "keypoint": self.skeleton.names * people,
            "x": self.keypoints[..., 0].ravel(),
            "y": self.keypoints[..., 1].ravel(),
            "confidence": self.confidences.ravel(),
            "seen": self.seen.ravel(),
        }
        return pd.DataFrame({name: column for name, column in columns.items() if column is not None})

    @classmethod
    def from_dataframe(cls, frame: Any, skeleton: Skeleton = COCO_17, image_size: tuple[int, int] = (0, 0)) -> Poses:
        """The inverse of `to_dataframe`, for one image; rows may be in any order.

        Raises:
            VoteposeError: if a column or a person's keypoint is missing, or the rows are of several images.
        """
        lacking = {"person", "score", "keypoint", "x", "y", "confidence", "seen"} - set(frame.columns)
        if lacking:
            raise VoteposeError(f"the table lacks {', '.join(sorted(lacking))}: make it with Poses.to_dataframe")
        names = list(frame["image"].dropna().unique()) if "image" in frame else []
        if len(names) > 1:
            raise VoteposeError(
                f"the table holds {len(names)} images: pass the rows of one, such as from groupby('image')"
            )
        joint = {name: k for k, name in enumerate(skeleton.names)}
        ordered = frame.assign(_joint=frame["keypoint"].map(joint)).sort_values(["person", "_joint"])
        shape = ordered["person"].nunique(), len(skeleton)
        if ordered["_joint"].tolist() != list(range(shape[1])) * shape[0]:
            raise VoteposeError(f"each person in the table should have exactly the {shape[1]} keypoints, once each")
        points = ordered[["x", "y"]].to_numpy(float).reshape(*shape, 2)
        confidences, seen = (ordered[name].to_numpy().reshape(shape) for name in ("confidence", "seen"))
        first = ordered.iloc[:: shape[1]]
        ids = first["id"].to_numpy() if "id" in first and first["id"].notna().all() else None
        source = names[0] if names else None
        return cls(points, confidences, seen, first["score"].to_numpy(), skeleton, image_size, source, ids)

    def to_supervision(self) -> Any:
        """A `supervision.KeyPoints`, for its annotators and trackers.

        Its `data` holds `seen` and, if people were tracked, `tracker_id`. It cannot hold the skeleton and the image's
        size and name, nor, before version 0.29, scores.
        """
        import supervision as sv

        named = {field.name for field in fields(sv.KeyPoints)}
        if "keypoint_confidence" in named:
            arrays: dict[str, Any] = {"keypoint_confidence": self.confidences, "detection_confidence": self.scores}
        else:
            arrays = {"confidence": self.confidences}
        data: dict[str, Any] = {"seen": self.seen} | ({} if self.ids is None else {"tracker_id": self.ids})
        return sv.KeyPoints(xy=self.keypoints, class_id=np.zeros(len(self), dtype=int), data=data, **arrays)

    @classmethod
    def from_supervision(
        cls, points: Any, skeleton: Skeleton = COCO_17, image_size: tuple[int, int] = (0, 0), source: str | None = None
    ) -> Poses:
        """The people of a `supervision.KeyPoints`, from `to_supervision` or from another model.

        Missing confidences become 1, and a missing score the mean of the person's confidences. Without `seen` in
        `data`, `visible` is used, and without that, all keypoints count as seen. A keypoint at (0, 0), which is missing
        to supervision, gets a confidence of 0 and is moved to the middle of the person's others.

        Raises:
            VoteposeError: if the number of keypoints is not the skeleton's.
        """
        xy = np.asarray(points.xy, np.float64)
        shape = people, joints = len(xy), len(skeleton)
        if people and xy.shape[1:] != (joints, 2):
            raise VoteposeError(f"the skeleton has {joints} keypoints, but xy is {xy.shape}: pass its skeleton")
        xy = xy.reshape(*shape, 2)
        known: np.ndarray = np.any(xy != 0, axis=2)
        given = getattr(points, "keypoint_confidence" if hasattr(points, "keypoint_confidence") else "confidence", None)
        confidences = np.ones(shape) if given is None else np.asarray(given).reshape(shape)
        scores = getattr(points, "detection_confidence", None)
        scores = confidences.mean(axis=1) if scores is None else np.asarray(scores).reshape(people)
        data = getattr(points, "data", None) or {}
        visible = getattr(points, "visible", None)
        seen = np.asarray(data.get("seen", np.ones(shape, bool) if visible is None else visible)).reshape(shape)
        xy, confidences, ids = _unknown_in_the_middle(xy, known), confidences * known, data.get("tracker_id")
        return cls(xy, confidences, seen & known, scores, skeleton, image_size, source, ids)


def _plain(value: Any) -> Any:
    """NumPy's numbers, which cannot be written as JSON, as Python's; other values as they are."""
    return value.item() if isinstance(value, np.generic) else value


def _unknown_in_the_middle(points: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Points (P, K, 2) with those that are not `known` (P, K) in the middle of the person's others, if any."""
    low = np.where(known[..., None], points, np.inf).min(axis=1, keepdims=True)
    high = np.where(known[..., None], points, -np.inf).max(axis=1, keepdims=True)
    kept = known | ~known.any(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # infinite without known points
        return np.where(kept[..., None], points, (low + high) / 2)


def _ids(people: Sequence[Mapping[str, Any]], key: str) -> np.ndarray | None:
    """(P,) int ids if there are people and all of them have one, else None."""
    tracked = bool(people) and all(key in person for person in people)
    return np.array([person[key] for person in people]) if tracked else None
