"""Joint angles in the image: the angles of a skeleton, and their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from votepose.errors import VoteposeError
from votepose.poses import Poses
from votepose.skeleton import Skeleton

ANGLES = {  # name -> the two neighbouring joints
    "knee": ("hip", "ankle"),
    "elbow": ("shoulder", "wrist"),
    "hip": ("shoulder", "knee"),
    "shoulder": ("elbow", "hip"),
}
MIN_CONFIDENCE = 0.3  # of each of the three joints

Joints = tuple[int, int, int]  # indices in the skeleton; the middle one is the joint


def angles_of(skeleton: Skeleton) -> dict[str, Joints]:
    """The angles in `ANGLES` whose joints a skeleton has, by name: left_knee, right_knee, … or knee."""
    found: dict[str, Joints] = {}
    for name, (first, last) in ANGLES.items():
        for side, prefix in ((-1, "left_"), (1, "right_"), (0, "")):
            joints = tuple(_joint(skeleton, word, side) for word in (first, name, last))
            if None not in joints:
                found[prefix + name] = joints  # type: ignore[assignment]
    return found


def choose_angles(names: Sequence[str], skeleton: Skeleton) -> dict[str, Joints]:
    """The angles of a skeleton selected by `names`: "knee" for both sides, "left_knee" for one.

    Raises:
        VoteposeError: if there is no such angle; the message lists those available.
    """
    known = angles_of(skeleton)
    chosen: dict[str, Joints] = {}
    for name in names:
        fitting = {angle: joints for angle, joints in known.items() if name in (angle, base_name(angle))}
        if not fitting:
            there = ", ".join(dict.fromkeys(map(base_name, known))) or "none: it lacks the joints"
            raise VoteposeError(f"{name!r} is not an angle of this model's skeleton; available: {there}")
        chosen |= fitting
    return chosen


def base_name(angle: str) -> str:
    """An angle's name without its side."""
    return angle.removeprefix("left_").removeprefix("right_")


def joint_angles(
    poses: Poses, angles: Mapping[str, Joints], min_confidence: float = MIN_CONFIDENCE
) -> dict[str, np.ndarray]:
    """(P,) degrees from 0 to 180 (straight) of each angle for each person; NaN if unknown.

    The angle is measured in the image, not in space, so it is correct only for limbs perpendicular to the line of
    sight.

    Args:
        poses: poses of P people.
        angles: from `angles_of` or `choose_angles`.
        min_confidence: an angle is known if its three joints are seen and have at least this confidence.
    """
    sizes = {}
    for name, joints in angles.items():
        first, middle, last = np.moveaxis(poses.keypoints[:, list(joints)].astype(float), 1, 0)
        a, b = first - middle, last - middle
        cross, dot = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0], (a * b).sum(axis=1)
        sure = poses.seen[:, list(joints)] & (poses.confidences[:, list(joints)] >= min_confidence)
        sizes[name] = np.where(sure.all(axis=1), np.degrees(np.arctan2(np.abs(cross), dot)), np.nan)
    return sizes


def _joint(skeleton: Skeleton, word: str, side: int) -> int | None:
    """The joint on that side whose name contains the word; if there are several, the one with the shortest name."""
    named = [k for k, name in enumerate(skeleton.names) if skeleton.sides[k] == side and word in name.lower()]
    return min(named, key=lambda k: len(skeleton.names[k]), default=None)
