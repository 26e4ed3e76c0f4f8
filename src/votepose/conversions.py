"""`Poses` <-> COCO, records, pandas and supervision. What the other side has no place for is said at each function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from votepose.errors import VoteposeError
from votepose.skeleton import Skeleton

if TYPE_CHECKING:
    from votepose.poses import Poses


def to_coco(poses: Poses, image_id: int, category_id: int = 1) -> list[dict[str, Any]]:
    """COCO results: a dict a person; `keypoints` is flat, x, y, confidence for each of K; `track_id` if tracked.

    The format has no place for what is seen, nor for the image's size and name.
    """
    triples = np.concatenate([poses.keypoints, poses.confidences[..., None]], axis=2)
    flat = triples.reshape(len(poses), 3 * len(poses.skeleton))
    results: list[dict[str, Any]] = [
        {"image_id": image_id, "category_id": category_id, "keypoints": [round(v, 3) for v in row], "score": score}
        for row, score in zip(flat.tolist(), poses.scores.tolist(), strict=True)
    ]
    for result, number in zip(results, [] if poses.ids is None else poses.ids.tolist(), strict=False):
        result["track_id"] = number
    return results


def from_coco(
    people: Sequence[Mapping[str, Any]], skeleton: Skeleton, image_size: tuple[int, int], source: str | None
) -> Poses:
    """The people of one image, of COCO results or of annotations.

    The third number of a keypoint is a result's confidence; of an annotation (which has no `score`) it is the
    visibility v: seen is v = 2, and the confidence of v = 0, not labelled, is 0. A result's keypoints count as seen.

    Raises:
        VoteposeError: if a person's keypoints are not 3 K numbers.
    """
    from votepose.poses import Poses

    for person in people:
        if len(person.get("keypoints") or ()) != 3 * len(skeleton):
            expected = f"{len(skeleton)} keypoints should be {3 * len(skeleton)} numbers"
            raise VoteposeError(f"COCO person: {expected}, but there are {len(person.get('keypoints') or ())}")
    triples = np.array([person["keypoints"] for person in people], np.float64).reshape(len(people), len(skeleton), 3)
    labelled = np.array(["score" not in person for person in people], bool)[:, None]
    confidences = np.where(labelled, triples[..., 2] > 0, triples[..., 2])
    seen = np.where(labelled, triples[..., 2] == 2, True)
    scores = np.array([person.get("score", 1.0) for person in people])
    tracked = bool(people) and all("track_id" in person for person in people)
    ids = np.array([person["track_id"] for person in people]) if tracked else None
    return Poses(triples[..., :2], confidences, seen, scores, skeleton, image_size, source, ids)


def from_record(record: Mapping[str, Any], skeleton: Skeleton) -> Poses:
    """The inverse of `Poses.to_record`.

    Raises:
        VoteposeError: if it is no such record, or of another skeleton.
    """
    from votepose.poses import Poses

    try:
        people = record["people"]
        points = [[person["keypoints"][name] for name in skeleton.names] for person in people]
        columns = {key: [[p[key] for p in row] for row in points] for key in ("x", "y", "confidence", "seen")}
        scores = [person["score"] for person in people]
        size = int(record["width"]), int(record["height"])
    except (KeyError, TypeError) as error:
        raise VoteposeError(f"this is no record of a {skeleton.category}'s poses: it lacks {error}") from None
    x, y, confidences, seen = (np.array(column).reshape(len(people), len(skeleton)) for column in columns.values())
    tracked = bool(people) and all("id" in person for person in people)
    ids = np.array([person["id"] for person in people]) if tracked else None
    name = record.get("image")
    return Poses(np.stack([x, y], axis=2), confidences, seen, np.array(scores), skeleton, size, name, ids)


def to_dataframe(poses: Poses) -> Any:
    """A pandas DataFrame, a row a keypoint: image, person, [id,] score, keypoint, x, y, confidence, seen.

    A table of nobody has no rows; the image's size has no place.
    """
    import pandas as pd

    people, joints = poses.confidences.shape
    columns = {
        "image": np.array([poses.source] * (people * joints), dtype=object),
        "person": np.repeat(np.arange(people), joints),
        "id": None if poses.ids is None else np.repeat(poses.ids, joints),
        "score": np.repeat(poses.scores, joints),
        "keypoint": poses.skeleton.names * people,
        "x": poses.keypoints[..., 0].ravel(),
        "y": poses.keypoints[..., 1].ravel(),
        "confidence": poses.confidences.ravel(),
        "seen": poses.seen.ravel(),
    }
    return pd.DataFrame({name: column for name, column in columns.items() if column is not None})


def from_dataframe(frame: Any, skeleton: Skeleton, image_size: tuple[int, int]) -> Poses:
    """The inverse of `to_dataframe`, of one image; rows may be in any order.

    Raises:
        VoteposeError: if a column or a keypoint of a person lacks, or the rows are of several images.
    """
    from votepose.poses import Poses

    lacking = {"person", "score", "keypoint", "x", "y", "confidence", "seen"} - set(frame.columns)
    if lacking:
        raise VoteposeError(f"the table lacks {', '.join(sorted(lacking))}: make it with Poses.to_dataframe")
    names = list(frame["image"].dropna().unique()) if "image" in frame else []
    if len(names) > 1:
        raise VoteposeError(f"the table holds {len(names)} images: take one's rows, as frame.groupby('image') gives")
    place = {name: k for k, name in enumerate(skeleton.names)}
    ordered = frame.assign(_joint=frame["keypoint"].map(place)).sort_values(["person", "_joint"])
    people = ordered["person"].nunique()
    if ordered["_joint"].tolist() != list(range(len(skeleton))) * people:
        raise VoteposeError(f"each person of the table should have the {len(skeleton)} keypoints once, and no other")
    shape = people, len(skeleton)
    points = ordered[["x", "y"]].to_numpy(float).reshape(*shape, 2)
    confidences, seen = (ordered[name].to_numpy().reshape(shape) for name in ("confidence", "seen"))
    first = ordered.iloc[:: len(skeleton)]
    ids = first["id"].to_numpy() if "id" in first else None
    source = names[0] if names else None
    return Poses(points, confidences, seen, first["score"].to_numpy(), skeleton, image_size, source, ids)


def to_supervision(poses: Poses) -> Any:
    """A `supervision.KeyPoints`, for its annotators and trackers; `data` holds `seen` and, if tracked, `tracker_id`.

    The skeleton and the image's size and name have no place in it. Versions before 0.29 have none for scores either.
    """
    import supervision as sv

    named = {field.name for field in fields(sv.KeyPoints)}
    if "keypoint_confidence" in named:
        arrays: dict[str, Any] = {"keypoint_confidence": poses.confidences, "detection_confidence": poses.scores}
    else:
        arrays = {"confidence": poses.confidences}
    data: dict[str, Any] = {"seen": poses.seen} | ({} if poses.ids is None else {"tracker_id": poses.ids})
    return sv.KeyPoints(xy=poses.keypoints, class_id=np.zeros(len(poses), dtype=int), data=data, **arrays)


def from_supervision(points: Any, skeleton: Skeleton, image_size: tuple[int, int], source: str | None) -> Poses:
    """The people of a `supervision.KeyPoints`, of `to_supervision` or of another model.

    Without confidences a keypoint's is 1; without scores a person's is the mean of its keypoints'; without `seen` in
    `data`, what is `visible` counts as seen, and if that is not given either, everything.

    Raises:
        VoteposeError: if the number of keypoints is not the skeleton's.
    """
    from votepose.poses import Poses

    xy = np.asarray(points.xy, np.float64)
    people, joints = len(xy), len(skeleton)
    if people and xy.shape[1:] != (joints, 2):
        raise VoteposeError(f"the skeleton has {joints} keypoints, but xy is {xy.shape}: pass its skeleton")
    given = getattr(points, "keypoint_confidence" if hasattr(points, "keypoint_confidence") else "confidence", None)
    confidences = np.ones((people, joints)) if given is None else np.asarray(given)
    scores = getattr(points, "detection_confidence", None)
    scores = confidences.reshape(people, joints).mean(axis=1) if scores is None else np.asarray(scores)
    data = getattr(points, "data", None) or {}
    visible = getattr(points, "visible", None)
    seen = np.asarray(data.get("seen", np.ones((people, joints), bool) if visible is None else visible))
    shape = people, joints
    arrays = xy.reshape(*shape, 2), confidences.reshape(shape), seen.reshape(shape), scores.reshape(people)
    return Poses(*arrays, skeleton, image_size, source, data.get("tracker_id"))
