"""Dressed bodies: clothes stand off the skin, bones bend the mesh, and the keypoints are exact."""

import numpy as np
import pytest
import torch

from votepose.synth.anatomy import body_coordinates
from votepose.synth.cast import random_phenotypes
from votepose.synth.dress import random_look
from votepose.synth.figures import Wardrobe
from votepose.synth.rig import FACING, HINGES, LIMITS
from votepose.synth.shading import BODY, HAIR, SKIRT
from votepose.synth.solids import grid_faces, rounded_box, tube, vertex_normals


@pytest.fixture(scope="module")
def coordinates(body):
    return body_coordinates(body)


def test_keypoints_without_a_mesh_are_those_of_the_skinned_mesh(body, adults):
    angles = torch.as_tensor(np.random.default_rng(0).uniform(*LIMITS.T, (8, len(HINGES))).astype(np.float32))
    maps = body.maps(adults, angles)
    mesh = body.skin(adults, maps)
    joints = body.keypoints(adults, maps)
    ends = torch.cat((mesh.amin(dim=1), mesh.amax(dim=1)), dim=1)
    assert (joints >= ends[:, None, :3] - 1e-4).all()
    assert (joints <= ends[:, None, 3:] + 1e-4).all()


def test_a_body_at_rest_is_as_high_as_its_shape_says(body, adults):
    still = torch.zeros(8, len(HINGES))
    mesh = body.skin(adults, body.maps(adults, still))
    heights = mesh[..., 2].amax(dim=1) - mesh[..., 2].amin(dim=1)
    torch.testing.assert_close(heights, adults.heights, rtol=0.02, atol=0)


def test_phenotypes_make_different_bodies(body):
    rng = np.random.default_rng(0)
    shapes = body.shapes(random_phenotypes(body.phenotypes, 32, rng))
    assert shapes.heights.min() < 1.4 < 1.7 < shapes.heights.max()
    assert shapes.heights.max() < 2.3


def test_body_coordinates_lie_where_they_should(body, coordinates):
    arm, leg, trunk, hair = coordinates.T
    rest = body.rest
    hands, feet = np.abs(rest[:, 0]) > 0.46, rest[:, 2] < -0.78
    assert (arm[hands] > 1).all()
    assert (leg[feet] > 1).all()
    assert (arm[np.abs(rest[:, 0]) < 0.1] < 0).all()
    assert (hair[rest[:, 2] > 0.79] > 0).all()
    assert (hair[rest[:, 2] < 0.5] < 0).all()
    assert (trunk[rest[:, 2] > 0.7] > 1).all()


def test_clothes_and_what_is_worn_do_not_move_the_keypoints(body, adults):
    wardrobe = Wardrobe(body)
    rng = np.random.default_rng(1)
    looks = [random_look(rng, 1.0, 0.7) for _ in range(8)]
    turns = np.tile(FACING, (8, 1, 1))
    figures = wardrobe.figures(adults, np.zeros((8, len(HINGES))), turns, np.tile([0, 0, 3.0], (8, 1)), looks)
    for figure in figures[1:]:
        np.testing.assert_allclose(figure.keypoints, figures[0].keypoints, atol=1e-5)


def test_scales_enlarge_bodies_about_their_places(body, adults):
    wardrobe = Wardrobe(body)
    look = random_look(np.random.default_rng(1), 0.0, 0.7)
    arguments = adults[:1], np.zeros((1, len(HINGES))), FACING[None], np.array([[0, 0, 3.0]]), [look]
    (one,) = wardrobe.figures(*arguments)
    (two,) = wardrobe.figures(*arguments, scales=np.array([2.0]))
    np.testing.assert_allclose(two.keypoints - [0, 0, 3], 2 * (one.keypoints - [0, 0, 3]), atol=1e-5)


def test_looks_are_worn(body, adults):
    wardrobe, rng = Wardrobe(body), np.random.default_rng(0)
    for _ in range(40):
        look = random_look(rng, 1.0, 0.7)
        (figure,) = wardrobe.figures(adults[:1], np.zeros((1, len(HINGES))), FACING[None], np.zeros((1, 3)), [look])
        parts = set(figure.stage.parts.tolist())
        assert BODY in parts
        assert (SKIRT in parts) == bool(look.skirt)
        assert (HAIR in parts) == bool(look.hair_length)
        assert figure.stage.faces.max() < len(figure.stage.points)
        assert np.isfinite(figure.stage.points).all()


def test_looks_stay_within_what_a_surface_can_be():
    rng = np.random.default_rng(0)
    for _ in range(100):
        material = random_look(rng, rng.random(), rng.random()).material
        for name in ("skin", "hair", "top", "bottom", "shoes", "hat", "bag"):
            assert (material[name] >= 0).all()
            assert (material[name] <= 1).all()


def test_solids_are_closed_and_look_outwards():
    for points, faces in (rounded_box((1, 2, 3), 0.5), tube(1.0, 2.0)):
        middle = points.mean(axis=0)
        outwards = ((points - middle) * vertex_normals(points, faces)).sum(axis=1)
        assert (outwards > -1e-6).mean() > 0.9 or (outwards < 1e-6).mean() > 0.9  # one sense all over
    assert grid_faces(2, 3, closed=False).tolist() == [[0, 3, 1], [1, 4, 2], [1, 3, 4], [2, 4, 5]]
