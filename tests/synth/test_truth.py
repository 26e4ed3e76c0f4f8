"""What the json says of an image is what the rays find in it."""

import numpy as np
import pytest
import warp as wp

from votepose.skeleton import COCO_17
from votepose.synth.cast import Camera
from votepose.synth.dress import random_look
from votepose.synth.figures import Wardrobe
from votepose.synth.render import Renderer
from votepose.synth.rig import FACING, HINGES, PRIOR
from votepose.synth.shading import Light
from votepose.synth.stage import Stage
from votepose.synth.truth import annotate

CAMERA = Camera(200, 200, 220.0, 0.0, 1.0)
K = {name: k for k, name in enumerate(COCO_17.names)}


@pytest.fixture(scope="module")
def wardrobe(body):
    return Wardrobe(body)


def scene(body, wardrobe, places, turned=0.0):
    """Average adults at `places`, who face the camera, or are turned about the vertical by `turned` radians."""
    count = len(places)
    c, s = np.cos(turned), np.sin(turned)
    turn = FACING @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float32)
    shapes = body.shapes(np.full((count, len(body.phenotypes)), 0.5))
    angles = np.tile(PRIOR[:, 0], (count, 1))
    for k, (joint, hinge) in enumerate(HINGES):  # arms away from the trunk, so that nothing of them is hidden
        if joint.name.startswith("shoulder"):
            angles[:, k] = np.radians(-50 if hinge.axis == 1 else 0)
    looks = [random_look(np.random.default_rng(3), 0.0, 0.7) for _ in range(count)]
    figures = wardrobe.figures(shapes, angles, np.tile(turn, (count, 1, 1)), np.array(places, float), looks)
    renderer = Renderer(Stage.join([figure.stage for figure in figures]))
    light = Light()
    light.direction = wp.vec3(0.0, -1.0, 0.0)
    light.ground_normal, light.ground_height = wp.vec3(0.0, -1.0, 0.0), 1.0
    picture = renderer.picture(CAMERA.width, CAMERA.height, CAMERA.focal, CAMERA.centre, light, seed=0)
    return figures, picture, annotate(figures, np.ones(count), picture, renderer, CAMERA)


def v_of(annotation):
    return np.array(annotation["keypoints"]).reshape(-1, 3)[:, 2]


def test_a_single_person_facing_the_camera_is_wholly_visible(body, wardrobe):
    figures, picture, (person,) = scene(body, wardrobe, [(0, 0, 3.0)])
    assert person["hidden"] == 0
    assert person["num_keypoints"] == 17
    assert (v_of(person)[[K["nose"], K["left_eye"], K["right_wrist"], K["left_knee"], K["right_hip"]]] == 2).all()
    assert person["area"] == (picture.owner == 0).sum()
    points = np.array(person["keypoints"]).reshape(-1, 3)[:, :2]
    np.testing.assert_allclose(points, CAMERA.project(figures[0].keypoints), atol=0.01)


def test_the_box_holds_what_is_seen(body, wardrobe):
    _, picture, (person,) = scene(body, wardrobe, [(0.3, 0, 3.0)])
    left, top, width, height = person["bbox"]
    ys, xs = np.nonzero(picture.owner == 0)
    assert (left, top, left + width, top + height) == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)


def test_the_face_of_a_person_turned_away_is_hidden(body, wardrobe):
    _, _, (person,) = scene(body, wardrobe, [(0, 0, 3.0)], turned=np.pi)
    assert (v_of(person)[[K["nose"], K["left_eye"], K["right_eye"]]] == 1).all()
    assert v_of(person)[K["left_shoulder"]] == 2


def test_left_is_on_the_right_of_a_person_facing_the_camera(body, wardrobe):
    _, _, (person,) = scene(body, wardrobe, [(0, 0, 3.0)])
    points = np.array(person["keypoints"]).reshape(-1, 3)
    assert points[K["left_shoulder"], 0] > points[K["right_shoulder"], 0]


def test_who_stands_behind_is_hidden_by_who_stands_before(body, wardrobe):
    _, _, found = scene(body, wardrobe, [(0, 0, 4.2), (0.03, 0, 3.0)])
    near, far = found
    assert near["depth"] < far["depth"]
    assert near["hidden"] == 0
    assert far["hidden"] > 0.4
    assert (v_of(far) == 1).sum() > 5
    assert near["area"] > far["area"]


def test_joints_outside_the_picture_are_unlabelled(body, wardrobe):
    _, _, (person,) = scene(body, wardrobe, [(0, 0, 1.4)])
    points = np.array(person["keypoints"]).reshape(-1, 3)
    assert (points[K["left_ankle"]] == 0).all()
    assert (points[points[:, 2] > 0][:, :2] < 200).all()


def test_invisible_people_are_not_labelled(body, wardrobe):
    _, _, found = scene(body, wardrobe, [(0, 0, 3.0), (30.0, 0, 3.0), (0, 0, -5.0)])
    assert len(found) == 1
