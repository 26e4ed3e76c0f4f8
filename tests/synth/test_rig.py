"""How a body bends: rotations are rotations, limbs keep their length, left mirrors right, joints bend as in life."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from votepose.skeleton import COCO_17
from votepose.synth.body import Body, Shapes
from votepose.synth.rig import JOINTS, LIMITS, NAMES, PRIOR, axis_rotation, joint_of, mirror, rotation_vector, rotations

JOINT = {name: k for k, name in enumerate(COCO_17.names)}


def random_angles(count: int, seed: int = 0) -> torch.Tensor:
    low, high = LIMITS.T
    return torch.tensor(np.random.default_rng(seed).uniform(low, high, (count, len(LIMITS))).astype(np.float32))


def keypoints(body: Body, shapes: Shapes, angles: torch.Tensor) -> np.ndarray:
    return body.keypoints(shapes, body.maps(shapes, angles)).numpy()


def bent(body: Body, shapes: Shapes, **degrees: float) -> dict[str, np.ndarray]:
    """Keypoints by name, of a body with only these angles (knee_left_x for "knee_left.x") changed from rest."""
    angles = torch.zeros(1, len(NAMES))
    for name, angle in degrees.items():
        angles[0, NAMES.index(f"{name[:-2]}.{name[-1]}")] = np.radians(angle)
    return dict(zip(COCO_17.names, keypoints(body, shapes[:1], angles)[0], strict=True))


def test_the_prior_lies_within_the_limits() -> None:
    assert (LIMITS[:, 0] < PRIOR[:, 0]).all()
    assert (PRIOR[:, 0] < LIMITS[:, 1]).all()
    assert (PRIOR[:, 1] > 0).all()


def test_turns_are_rotations() -> None:
    axes = torch.nn.functional.normalize(torch.randn(20, 2, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    turns = rotations(random_angles(20), axes)
    assert turns.shape == (20, len(JOINTS), 3, 3)
    torch.testing.assert_close(turns @ turns.mT, torch.eye(3).expand_as(turns), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(turns), torch.ones(20, len(JOINTS)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_rotation_vector_turns_about_itself_by_its_length(axis: int) -> None:
    vector = torch.zeros(3, 1)
    vector[axis] = 0.7
    torch.testing.assert_close(rotation_vector(vector), axis_rotation(axis, torch.tensor([0.7])))


def test_no_turn_is_the_identity_and_smooth() -> None:
    vector = torch.zeros(3, 1, requires_grad=True)
    turn = rotation_vector(vector)
    torch.testing.assert_close(turn[..., 0], torch.eye(3))
    turn.sum().backward()
    assert torch.isfinite(vector.grad).all()


def test_every_driven_bone_but_the_root_has_its_joint(body: Body) -> None:
    joints = joint_of(body.bones)
    assert [bone for bone, k in zip(body.bones, joints, strict=True) if k == len(JOINTS)] == ["root"]
    assert all(bone in JOINTS[k].bones for bone, k in zip(body.bones, joints, strict=True) if k < len(JOINTS))


def test_heads_of_bones_keep_their_distance(body: Body, adults: Shapes) -> None:
    maps = body.maps(adults, random_angles(8))
    posed = torch.einsum("nbxy,nby->nbx", maps[..., :3], adults.heads) + maps[..., 3]
    for bone, parent in enumerate(body.parents):
        if parent >= 0:
            length = (adults.heads[:, bone] - adults.heads[:, parent]).norm(dim=-1)
            torch.testing.assert_close((posed[:, bone] - posed[:, parent]).norm(dim=-1), length, atol=1e-5, rtol=0)


def test_mirrored_angles_are_the_mirrored_body(body: Body, adults: Shapes) -> None:
    angles = random_angles(8, seed=1)
    points = keypoints(body, adults, angles)
    mirrored = keypoints(body, adults, torch.tensor(mirror(angles.numpy())))
    np.testing.assert_allclose(mirrored, points[:, COCO_17.flip] * [-1, 1, 1], atol=2e-3)


def test_mirroring_twice_is_the_identity() -> None:
    angles = random_angles(3).numpy()
    np.testing.assert_array_equal(mirror(mirror(angles)), angles)


def test_at_rest_people_look_along_minus_y_with_their_left_at_plus_x(body: Body, adults: Shapes) -> None:
    rest = bent(body, adults)
    assert rest["nose"][1] < rest["left_ear"][1]
    assert rest["left_shoulder"][0] > 0 > rest["right_shoulder"][0]
    assert rest["left_ear"][2] > rest["left_hip"][2] > rest["left_knee"][2] > rest["left_ankle"][2]


def test_joints_bend_the_way_they_do_in_life(body: Body, adults: Shapes) -> None:
    rest = bent(body, adults)
    assert bent(body, adults, knee_left_x=90)["left_ankle"][1] > rest["left_ankle"][1] + 0.2  # the shin goes back
    assert bent(body, adults, hip_left_x=-90)["left_knee"][1] < rest["left_knee"][1] - 0.2  # the thigh comes forward
    assert bent(body, adults, spine_x=40)["nose"][1] < rest["nose"][1] - 0.2  # bows
    assert bent(body, adults, shoulder_left_y=-90)["left_wrist"][0] > rest["left_wrist"][0] + 0.2  # to the side
    assert bent(body, adults, shoulder_left_x=-90)["left_elbow"][1] < rest["left_elbow"][1] - 0.2  # to the front
    raised, shoulder = bent(body, adults, elbow_left_x=90)["left_wrist"], rest["left_shoulder"]
    assert np.linalg.norm(raised - shoulder) < 0.7 * np.linalg.norm(rest["left_wrist"] - shoulder)


def test_only_the_bent_limb_moves(body: Body, adults: Shapes) -> None:
    rest, moved = bent(body, adults), bent(body, adults, knee_right_x=60)
    for name in COCO_17.names:
        if name not in ("right_knee", "right_ankle"):
            np.testing.assert_allclose(moved[name], rest[name], atol=1e-6)
