"""Free crowds stand on the floor, apart, in the image, and as hidden as the dial says."""

import numpy as np
import pytest

from votepose.errors import VoteposeError
from votepose.synth.crowd import CrowdConfig, crowd, hidden_share
from votepose.synth.pose_library import PoseLibrary


@pytest.fixture(scope="module")
def poses():
    return PoseLibrary.load()


def make(body, poses, seed=0, **dials):
    cast = crowd(body, poses, 320, 240, CrowdConfig(**dials), np.random.default_rng(seed))
    return cast, cast.keypoints(body)


@pytest.mark.parametrize("seed", range(4))
def test_people_keep_their_distance(body, poses, seed):
    cast, _ = make(body, poses, seed, people=(12, 12), spacing=0.6)
    floor = cast.places @ cast.camera.turn  # back to the level camera's axes: aside, down, ahead
    gaps = np.linalg.norm(floor[:, None, [0, 2]] - floor[None][:, :, [0, 2]], axis=-1)
    assert gaps[~np.eye(12, dtype=bool)].min() >= 0.6 - 1e-3


def test_people_stand_on_the_floor(body, poses):
    cast, joints = make(body, poses, people=(6, 6))
    height = joints @ cast.camera.up + cast.camera.floor  # of each joint over the floor
    assert (height.min(axis=1) > 0.03).all()
    assert (height.min(axis=1) < 0.15).all()


def test_most_people_are_in_the_picture(body, poses):
    for seed in range(4):
        cast, joints = make(body, poses, seed, people=(5, 5))
        points = cast.camera.project(joints)
        inside = ((points >= 0) & (points < (320, 240))).all(axis=-1).mean()
        assert inside > 0.6


def test_the_occlusion_dial_is_followed(body, poses):
    for wanted in (0.0, 0.4, 0.8):
        got = []
        for seed in range(3):
            cast, joints = make(body, poses, seed, people=(6, 6), occlusion=wanted)
            got.append(hidden_share(cast.camera, joints))
        assert np.mean(got) == pytest.approx(wanted, abs=0.12)


def test_the_number_of_people_is_within_the_dial(body, poses):
    counts = {len(make(body, poses, seed, people=(2, 4))[0]) for seed in range(12)}
    assert counts == {2, 3, 4}


def test_the_same_seed_gives_the_same_crowd(body, poses):
    first, second = (make(body, poses, 5, people=(3, 3))[1] for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "dials",
    [
        {"people": (0, 3)},
        {"people": (4, 2)},
        {"people": (1, 201)},
        {"spacing": 0.0},
        {"occlusion": 0.9},
        {"occlusion": -0.1},
        {"size": (0.0, 1.0)},
    ],
)
def test_dials_out_of_range_are_told(dials):
    with pytest.raises(VoteposeError, match="should be"):
        CrowdConfig(**dials).check()
