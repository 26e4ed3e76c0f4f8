"""The poses that come with the package are sound, and samples of them vary within the limits."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest

from votepose.errors import VoteposeError
from votepose.synth.pose_library import KINDS, PoseLibrary
from votepose.synth.rig import LIMITS, NAMES


@pytest.fixture(scope="module")
def poses() -> PoseLibrary:
    return PoseLibrary.load()


def assert_sound(angles: np.ndarray, turns: np.ndarray) -> None:
    assert angles.dtype == turns.dtype == np.float32
    assert ((angles >= LIMITS[:, 0]) & (angles <= LIMITS[:, 1])).all()
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.broadcast_to(np.eye(3), turns.shape), atol=1e-5)
    assert (np.linalg.det(turns) > 0).all()


def test_the_library_is_sound_small_and_has_every_kind(poses: PoseLibrary) -> None:
    assert len(poses) == 2000
    assert_sound(poses.angles, poses.orientation)
    assert set(poses.kind) == set(range(len(KINDS)))
    assert len(resources.files("votepose.synth").joinpath("poses.npz").read_bytes()) < 400_000


def test_poses_stand_on_the_ground_and_face_one_way(poses: PoseLibrary) -> None:
    turns = poses.orientation[poses.kind == KINDS.index("standing")]
    assert np.median(turns[:, 2, 2]) > np.cos(np.radians(15))
    np.testing.assert_allclose(poses.orientation[:, 0, 1], poses.orientation[:, 1, 0], atol=2e-3)  # no yaw


def test_samples_are_sound_and_repeat_with_the_seed(poses: PoseLibrary) -> None:
    angles, turns = poses.sample(500, np.random.default_rng(1))
    assert angles.shape == (500, len(LIMITS))
    assert_sound(angles, turns)
    assert len(np.unique(angles, axis=0)) == 500
    again = poses.sample(500, np.random.default_rng(1))
    np.testing.assert_array_equal(again[0], angles)
    np.testing.assert_array_equal(again[1], turns)


def test_mirrored_samples_lean_to_either_side(poses: PoseLibrary) -> None:
    leaning = PoseLibrary(
        np.repeat(poses.angles[:1], 2, axis=0), np.repeat(poses.orientation[:1], 2, axis=0), poses.kind[:2]
    )
    _, turns = leaning.sample(200, np.random.default_rng(0), kinds=(KINDS[poses.kind[0]],))
    assert 60 < (np.sign(turns[:, 0, 2]) == np.sign(poses.orientation[0, 0, 2])).sum() < 140


def test_kinds_can_be_asked_for(poses: PoseLibrary) -> None:
    angles, _ = poses.sample(50, np.random.default_rng(0), kinds=("sitting",))
    hips = np.degrees(angles[:, [NAMES.index("hip_left.x"), NAMES.index("hip_right.x")]])
    assert np.median(hips.min(axis=1)) < -40
    assert poses.sample(0, np.random.default_rng(0))[0].shape == (0, len(LIMITS))
    with pytest.raises(VoteposeError, match="flying"):
        poses.sample(1, np.random.default_rng(0), kinds=("flying",))
    with pytest.raises(VoteposeError, match="no pose"):
        poses.sample(1, np.random.default_rng(0), kinds=())
