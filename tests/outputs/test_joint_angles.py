"""Angles: right angles are 90, unknown joints give none, and other skeletons have theirs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from votepose.errors import VoteposeError
from votepose.outputs.joint_angles import angles_of, choose_angles, joint_angles
from votepose.poses import Poses
from votepose.skeleton import COCO_17, Skeleton


def bent(degrees: float, turn: float = 0.3) -> Poses:
    """One person whose left knee is bent by so many degrees, the whole leg turned in the image."""
    points = np.random.default_rng(0).uniform(0, 100, (1, 17, 2))
    hip, knee, ankle = 11, 13, 15
    a = np.radians(degrees) + turn
    points[0, knee] = 50, 50
    points[0, hip] = 50 + 40 * np.cos(turn), 50 + 40 * np.sin(turn)
    points[0, ankle] = 50 + 30 * np.cos(a), 50 + 30 * np.sin(a)
    sure = np.ones((1, 17))
    return Poses(points, sure, sure, np.ones(1))


@pytest.mark.parametrize("degrees", [0, 30, 90, 135, 180, 270])
def test_the_angle_is_that_between_the_limbs(degrees: float) -> None:
    sizes = joint_angles(bent(degrees), choose_angles(["left_knee"], COCO_17))
    assert sizes["left_knee"] == pytest.approx([min(degrees, 360 - degrees)], abs=1e-3)


def test_an_angle_of_a_joint_that_is_not_seen_or_not_confident_is_unknown() -> None:
    poses, angles = bent(90), choose_angles(["knee"], COCO_17)
    for name, value in (("seen", False), ("confidences", 0.1)):
        table = getattr(poses, name).copy()
        table[0, 15] = value
        sizes = joint_angles(replace(poses, **{name: table}), angles)
        assert np.isnan(sizes["left_knee"]).all()
        assert not np.isnan(sizes["right_knee"]).any()
    assert joint_angles(Poses.empty(), angles)["left_knee"].shape == (0,)


def test_angles_are_chosen_by_name_and_side() -> None:
    assert list(choose_angles(["knee", "left_elbow", "knee"], COCO_17)) == ["left_knee", "right_knee", "left_elbow"]
    assert choose_angles(["hip"], COCO_17) == {"left_hip": (5, 11, 13), "right_hip": (6, 12, 14)}
    assert list(choose_angles(["shoulder"], COCO_17).values()) == [(7, 5, 11), (8, 6, 12)]
    with pytest.raises(VoteposeError, match=r"'kne' is not an angle of .*; available: knee, elbow, hip, shoulder$"):
        choose_angles(["knee", "kne"], COCO_17)


def test_other_skeletons_have_the_angles_that_their_joints_allow() -> None:
    leg = Skeleton(("R_Hip", "L_Hip", "R_Knee", "L_Knee", "R_Ankle", "L_Ankle", "nose"), (), (0.1,) * 7)
    assert angles_of(leg) == {"left_knee": (1, 3, 5), "right_knee": (0, 2, 4)}
    side = Skeleton(("hip", "knee", "ankle"), (), (0.1,) * 3)
    assert angles_of(side) == {"knee": (0, 1, 2)}
    with pytest.raises(VoteposeError, match="available: none: it lacks the joints"):
        choose_angles(["knee"], Skeleton(("nose", "tail"), (), (0.1, 0.1)))
