"""Rays find what is before the camera, and where."""

import numpy as np
import pytest
import warp as wp

from votepose.synth.render import BACKGROUND, Renderer
from votepose.synth.shading import MATERIAL, PLAIN, Light
from votepose.synth.stage import Stage

SIZE, FOCAL = 40, 40.0


def wall(left: float, right: float, depth: float) -> Stage:
    """A wall that faces the camera, as high as the image, from `left` to `right` metres."""
    points = np.array([[x, y, depth] for y in (-9, 9) for x in (left, right)], np.float32)
    normals = np.tile(np.float32([0, 0, -1]), (4, 1))
    material = np.zeros(1, MATERIAL)
    material["top"] = material["top_second"] = (0.5, 0.5, 0.5)
    faces = np.array([[0, 1, 2], [1, 3, 2]], np.int32)
    return Stage(
        points,
        normals,
        np.zeros((4, 4), np.float32),
        points,
        faces,
        np.zeros(2, np.int32),
        np.full(2, PLAIN, np.int32),
        material,
    )


@pytest.fixture(scope="module")
def light():
    light = Light()
    light.direction, light.colour = wp.vec3(0.0, 0.0, -1.0), wp.vec3(1.0, 1.0, 1.0)
    light.fill_direction = wp.vec3(0.0, -1.0, 0.0)
    light.ground_normal, light.ground_height, light.shadow = wp.vec3(0.0, -1.0, 0.0), 1.0, 0.5
    return light


def film(stages, light, samples=2):
    renderer = Renderer(Stage.join(stages))
    return renderer, renderer.picture(SIZE, SIZE, FOCAL, (SIZE / 2, SIZE / 2), light, seed=1, samples=samples)


def test_the_nearer_surface_is_seen_and_its_depth_is_told(light):
    _, picture = film([wall(-9, 0, 4.0), wall(-9, 9, 8.0)], light)
    assert (picture.owner[:, : SIZE // 2] == 0).all()
    assert (picture.owner[:, SIZE // 2 :] == 1).all()
    np.testing.assert_allclose(picture.depth[:, : SIZE // 2], 4.0, rtol=1e-4)
    np.testing.assert_allclose(picture.depth[:, SIZE // 2 :], 8.0, rtol=1e-4)


def test_cover_is_the_share_of_a_pixel_that_is_filled(light):
    _, picture = film([wall(-9, 0.025, 2.0)], light)  # half a pixel beyond the middle: 0.025 m at 2 m is 0.5 px
    assert (picture.cover[:, : SIZE // 2] == 1).all()
    np.testing.assert_allclose(picture.cover[:, SIZE // 2], 0.5)
    assert (picture.cover[:, SIZE // 2 + 1 :] == 0).all()
    assert (picture.owner[:, SIZE // 2 + 1 :] == BACKGROUND).all()
    assert np.isinf(picture.depth[:, SIZE // 2 + 1 :]).all()


def test_colour_does_not_depend_on_how_much_of_a_pixel_is_filled(light):
    _, picture = film([wall(-9, 0.025, 2.0)], light)
    edge, inside = picture.colour[:, SIZE // 2], picture.colour[:, SIZE // 4]
    assert edge.mean() == pytest.approx(inside.mean(), rel=0.15)
    assert inside.mean() > 0.2


def test_what_stands_on_the_floor_shades_it(light):
    light.direction = wp.normalize(wp.vec3(-1.0, -1.0, 0.0))  # from the left: the shadow falls to the right
    _, shaded = film([wall(-1.0, -0.2, 3.0)], light)
    floor = shaded.shade[-1]  # the lowest row sees the floor, one metre below the camera
    assert (floor <= 1).all()
    assert shaded.shade[: SIZE // 2].min() == 1.0  # above the horizon there is no floor
    light.direction = wp.vec3(0.0, 0.0, -1.0)


def test_first_hits_tell_who_stands_before_a_point(light):
    renderer, _ = film([wall(-9, 0, 4.0), wall(-9, 9, 8.0)], light)
    owner, where = renderer.first_hits(np.float32([[-1, 0, 8.0], [1, 0, 8.0], [0, 40, 1]]))
    assert owner.tolist() == [0, 1, BACKGROUND]
    np.testing.assert_allclose(where[:2], [[-0.5, 0, 4], [1, 0, 8]], atol=1e-3)


def test_the_same_seed_gives_the_same_picture(light):
    first, second = (film([wall(-9, 0, 4.0)], light)[1] for _ in range(2))
    np.testing.assert_array_equal(first.colour, second.colour)


def test_joined_stages_keep_their_owners_and_triangles():
    stage = Stage.join([wall(0, 1, 1), wall(2, 3, 2)])
    assert stage.owners.tolist() == [0, 0, 1, 1]
    assert stage.faces.max() == 7
    np.testing.assert_array_equal(stage.points[stage.faces[2:]].min(axis=(0, 1)), [2, -9, 2])
