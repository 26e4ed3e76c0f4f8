"""Bodies filmed by a known camera are found again; what the image leaves open stays natural."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from votepose.oks import oks
from votepose.skeleton import COCO_17
from votepose.synth.body import Body, Shapes
from votepose.synth.fit import Fit, FitConfig, fit
from votepose.synth.fit_loss import FACING
from votepose.synth.pose_library import PoseLibrary
from votepose.synth.rig import LIMITS, axis_rotation

FRAME = np.array([640, 480], np.float32)
FOCAL = 700.0
YAWS = np.radians([0, 30, 90, 135, 180, -135, -90, -30]).astype(np.float32)
LEGS = slice(13, 17)
QUICK = FitConfig(rounds=(8, 8, 30), rate=0.2)  # enough to see a tendency


def project(points: np.ndarray) -> np.ndarray:
    return points[..., :2] / points[..., 2:] * FOCAL + FRAME / 2


def filmed(body: Body, shapes: Shapes, angles: np.ndarray, leans: np.ndarray, distance: float) -> np.ndarray:
    """(N, 17, 3) keypoints of bodies turned by YAWS; of the face only what looks towards the camera is labelled."""
    turns = (torch.tensor(FACING) @ axis_rotation(2, torch.tensor(YAWS)).movedim(-1, 0) @ torch.tensor(leans)).numpy()
    joints = body.keypoints(shapes, body.maps(shapes, torch.tensor(angles))).numpy()
    points = joints @ turns.transpose(0, 2, 1) + [0, 0, distance]
    visible = np.full((len(angles), 17), 2.0)
    ahead = points[:, 0, 2] - points[:, 3:5, 2].mean(axis=1)
    visible[:, :3] = np.where(ahead < 0.03, 2, 0)[:, None]
    left_is_nearer = points[:, 3, 2] - points[:, 4, 2]
    visible[:, 3] = np.where(left_is_nearer > 0.08, 0, 2)
    visible[:, 4] = np.where(left_is_nearer < -0.08, 0, 2)
    return np.concatenate((project(points), visible[..., None]), axis=-1).astype(np.float32)


def boxes_of(keypoints: np.ndarray) -> np.ndarray:
    """Boxes around the keypoints, with some flesh, cut at the image's edges."""
    near, far = keypoints[..., :2].min(axis=1), keypoints[..., :2].max(axis=1)
    flesh = 0.06 * (far - near).max(axis=1, keepdims=True)
    near, far = (np.clip(corner, 0, FRAME) for corner in (near - flesh, far + flesh))
    return np.concatenate((near, far - near), axis=1)


def fitted(body: Body, shapes: Shapes, keypoints: np.ndarray, boxes: np.ndarray, config: FitConfig = QUICK) -> Fit:
    count = len(keypoints)
    frames = np.tile(FRAME, (count, 1))
    return fit(body, shapes[:count], keypoints, boxes, np.full(count, FOCAL), frames / 2, frames, config=config)


def joints_of(body: Body, shapes: Shapes, found: Fit) -> np.ndarray:
    """(N, 17, 3) in camera axes."""
    joints = body.keypoints(shapes, body.maps(shapes, found.angles))
    return (joints @ found.orientation.mT + found.translation[:, None]).numpy()


@pytest.fixture(scope="module")
def keypoints(body: Body, adults: Shapes) -> np.ndarray:
    poses = PoseLibrary.load().sample(8, np.random.default_rng(3), kinds=("standing", "striding"))
    return filmed(body, adults, *poses, distance=5.0)


@pytest.fixture(scope="module")
def found(body: Body, adults: Shapes, keypoints: np.ndarray) -> Fit:
    return fitted(body, adults, keypoints, boxes_of(keypoints), FitConfig())


def test_the_body_falls_on_the_keypoints(body: Body, adults: Shapes, keypoints: np.ndarray, found: Fit) -> None:
    sizes = np.sqrt(0.53 * boxes_of(keypoints)[:, 2:].prod(axis=1))
    pixels = project(joints_of(body, adults, found))
    similar = oks(pixels, keypoints[..., :2], sizes, COCO_17.kappas, (keypoints[..., 2] > 0).astype(np.float32))
    assert np.median(similar) > 0.95
    assert similar.min() > 0.85
    assert found.error.max() < 0.08


def test_the_way_people_face_is_found(found: Fit) -> None:
    true = torch.tensor(np.stack([np.sin(YAWS), -np.cos(YAWS)], axis=1))
    ahead = -(torch.tensor(FACING.T) @ found.orientation)[:, :2, 1]
    assert (torch.nn.functional.normalize(ahead, dim=-1) * true).sum(dim=-1).min() > np.cos(np.radians(40))


def test_depth_follows_from_the_size_of_the_body(found: Fit) -> None:
    assert (found.translation[:, 2] - 5.0).abs().max() < 0.6


def test_angles_keep_to_their_limits_and_turns_are_rotations(found: Fit) -> None:
    low, high = torch.tensor(LIMITS).unbind(-1)
    assert ((found.angles >= low) & (found.angles <= high)).all()
    eye = torch.eye(3).expand(8, 3, 3)
    torch.testing.assert_close(found.orientation @ found.orientation.mT, eye, atol=1e-4, rtol=0)
    assert (torch.linalg.det(found.orientation) > 0).all()


def test_a_fit_repeats_itself(body: Body, adults: Shapes, keypoints: np.ndarray) -> None:
    first, second = (fitted(body, adults, keypoints, boxes_of(keypoints)) for _ in range(2))
    for name in Fit.__dataclass_fields__:
        assert torch.equal(getattr(first, name), getattr(second, name))


def test_a_body_of_half_the_size_stands_at_half_the_distance(body: Body, adults: Shapes, keypoints: np.ndarray) -> None:
    moments = adults.moments.clone()
    moments[..., :3] /= 2
    small = replace(adults, heads=adults.heads / 2, moments=moments, heights=adults.heights / 2)
    found = fitted(body, small, keypoints, boxes_of(keypoints))
    assert (found.translation[:, 2] - 2.5).abs().max() < 0.3


def test_legs_out_of_the_picture_are_out_of_the_picture(body: Body, adults: Shapes, keypoints: np.ndarray) -> None:
    near = keypoints[[0, 4]].copy()
    near[..., 1] += 480 - near[:, 11:13, 1].mean(axis=1, keepdims=True) - 10  # hips at the lower edge
    boxes = boxes_of(near)
    near[:, LEGS] = 0
    found = fitted(body, adults, near, boxes)
    assert (project(joints_of(body, adults[:2], found))[:, LEGS, 1] > 480).all()


def test_a_person_with_two_labels_fills_the_box(body: Body, adults: Shapes, keypoints: np.ndarray) -> None:
    few = keypoints.copy()
    few[:, :5, 2] = few[:, 7:, 2] = 0
    boxes = boxes_of(keypoints)
    pixels = project(joints_of(body, adults, fitted(body, adults, few, boxes)))
    heights = np.ptp(pixels[..., 1], axis=1)
    assert ((heights > 0.7 * boxes[:, 3]) & (heights < 1.3 * boxes[:, 3])).all()


def test_people_stand_upright_in_the_world_before_a_tilted_camera(body: Body, adults: Shapes) -> None:
    """A lone face tells nothing of the lean: the given upright does."""
    face = np.zeros((2, 17, 3), np.float32)
    face[:, :3] = [[320, 100, 2], [326, 94, 2], [314, 94, 2]]
    boxes, frames = np.tile([[270, 60, 100, 400]], (2, 1)), np.tile(FRAME, (2, 1))
    up = np.array([[0, -np.cos(a), -np.sin(a)] for a in (0, 0.4)], np.float32)
    found = fit(body, adults[:2], face, boxes, np.full(2, FOCAL), frames / 2, frames, up, QUICK)
    lean = (found.orientation[:, :, 2] * torch.tensor(up)).sum(dim=-1)
    assert (lean > np.cos(np.radians(15))).all()


def test_no_label_at_all_and_no_people(body: Body, adults: Shapes, keypoints: np.ndarray) -> None:
    blank = fitted(body, adults, np.zeros((1, 17, 3), np.float32), boxes_of(keypoints)[:1])
    assert torch.isfinite(blank.translation).all()
    assert torch.isnan(blank.error).all()
    assert fitted(body, adults, keypoints[:0], np.zeros((0, 4), np.float32)).angles.shape == (0, len(LIMITS))
