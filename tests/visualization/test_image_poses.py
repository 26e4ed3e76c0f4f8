"""Poses that hold their image: they draw, save and show themselves, and many of them hold no pixels."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import votepose
from helpers.fake_model import red_dot, save_jpeg
from votepose.errors import VoteposeError
from votepose.io.images import read_image
from votepose.predictor import Predictor, load
from votepose.visualization.image_poses import ImagePoses

PIXELS = red_dot(200, 120, 40, 30, 12)


@pytest.fixture(scope="module")
def predictor(fake_model: Path) -> Predictor:
    return load(fake_model, score_threshold=0.05)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save_jpeg(tmp_path / "a.jpg", PIXELS)


GIVEN: list[Callable[[Path], Any]] = [
    lambda path: path,
    str,
    lambda path: path.read_bytes(),
    lambda path: path.open("rb"),
    Image.open,
    read_image,
    lambda path: read_image(path) / 255.0,
]


@pytest.mark.parametrize("given", GIVEN)
def test_poses_of_any_kind_of_image_draw_themselves(
    predictor: Predictor, path: Path, given: Callable[[Path], Any]
) -> None:
    poses = predictor(given(path))
    np.testing.assert_array_equal(np.asarray(poses.draw()), np.asarray(votepose.draw(path, poses)))
    few = poses.above(0.99)  # keeps the image
    np.testing.assert_array_equal(np.asarray(few[:0].draw()), read_image(path))


def test_a_bgr_image_is_drawn_in_its_true_colours(predictor: Predictor) -> None:
    poses = predictor(PIXELS[..., ::-1], bgr=True)
    np.testing.assert_array_equal(poses.keypoints, predictor(PIXELS).keypoints)
    np.testing.assert_array_equal(np.asarray(poses[:0].draw()), PIXELS)


def test_with_the_flip_test_the_image_is_not_the_mirrored_one(fake_model: Path) -> None:
    poses = load(fake_model, flip_test=True)(PIXELS)
    np.testing.assert_array_equal(np.asarray(poses[:0].draw()), PIXELS)


def test_many_results_hold_paths_but_no_pixels(predictor: Predictor, path: Path, fake_model: Path) -> None:
    images = [path, PIXELS, path.read_bytes()]
    for model in (predictor, load(fake_model, flip_test=True)):
        for found in (model.batch(images), list(model.stream(images))):
            assert [poses.image for poses in found] == [path, None, images[2]]
            assert found[0].draw().size == (200, 120)
            with pytest.raises(VoteposeError, match=r"votepose\.draw\(image, poses\)"):
                found[1].draw()


def test_save_writes_a_drawing_and_never_over_the_image(predictor: Predictor, path: Path, tmp_path: Path) -> None:
    poses, before = predictor(path), path.read_bytes()
    poses.save(tmp_path / "new" / "drawn.png")
    np.testing.assert_array_equal(read_image(tmp_path / "new" / "drawn.png"), np.asarray(poses.draw()))
    poses.save(str(tmp_path / "drawn.JPG"), votepose.Style(scores=True))
    assert Image.open(tmp_path / "drawn.JPG").format == "JPEG"
    with pytest.raises(VoteposeError, match="is the image itself"):
        poses.save(path)
    with pytest.raises(VoteposeError, match="to_json"):
        poses.save(tmp_path / "poses.json")
    assert path.read_bytes() == before


def test_a_notebook_shows_the_drawing_or_else_the_text(predictor: Predictor, path: Path) -> None:
    poses = predictor(np.zeros((300, 3000, 3), np.uint8))
    shown = poses._repr_jpeg_()
    assert shown is not None
    assert Image.open(io.BytesIO(shown)).size == (1024, 102)
    assert replace(poses, image=None)._repr_jpeg_() is None
    moved = predictor(path)
    path.unlink()
    assert moved._repr_jpeg_() is None
    assert repr(moved).startswith("Poses(")


def test_results_are_pickled_with_their_image(predictor: Predictor, path: Path) -> None:
    for image in (path, PIXELS):
        again = pickle.loads(pickle.dumps(predictor(image)))
        assert isinstance(again, ImagePoses)
        assert again.draw().size == (200, 120)
