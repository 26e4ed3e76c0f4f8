"""The letterbox: image pixels to map cells and back, and pixels that go where coordinates say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.fake_model import red_dot
from votepose.letterbox import FILL, MULTIPLE, Letterbox

LENGTHS = st.integers(1, 30000)
SIZES = st.integers(1, 20).map(lambda n: n * MULTIPLE)
STRIDES = st.sampled_from([1, 4, 8, 16])


@given(LENGTHS, LENGTHS, SIZES, STRIDES, st.lists(st.tuples(st.floats(-1, 2), st.floats(-1, 2)), max_size=5))
def test_there_and_back_is_the_identity(
    width: int, height: int, size: int, stride: float, relative: list[tuple[float, float]]
) -> None:
    box = Letterbox.fit(width, height, size)
    points = np.array(relative, dtype=np.float32).reshape(-1, 2) * np.float32(max(width, height))
    np.testing.assert_allclose(box.to_image(box.to_map(points, stride), stride), points, rtol=1e-5, atol=1e-30)


@given(LENGTHS, LENGTHS, SIZES, st.booleans())
def test_the_image_fits_its_input_snugly(width: int, height: int, size: int, square: bool) -> None:
    box = Letterbox.fit(width, height, size, square)
    sides = np.array([box.input_width, box.input_height])
    corner = box.to_map(np.array([width, height], dtype=np.float32), 1)
    assert (sides % MULTIPLE == 0).all()
    assert sides.max() == size
    assert (corner <= sides + 1e-2).all()
    assert square or (sides - corner < MULTIPLE + 1e-2).all()


@given(st.integers(1, 200), st.integers(1, 200), st.booleans())
def test_pixels_lie_where_coordinates_say(width: int, height: int, square: bool) -> None:
    box = Letterbox.fit(width, height, 96, square)
    image = np.zeros((height, width, 3), np.uint8)
    image[height // 2 :, width // 2 :] = 255
    pixels = box.apply(image)
    assert pixels.shape == (box.input_height, box.input_width, 3)
    edge, end = box.to_map(np.array([[width // 2, height // 2], [width, height]]), 1)
    blur = max(1.0, box.scale) + 1
    inside = np.ceil(edge + blur).astype(int), np.maximum(np.floor(end - 1).astype(int), 0)
    before = np.maximum(np.floor(edge - blur).astype(int), 0)
    assert (pixels[inside[0][1] : inside[1][1], inside[0][0] : inside[1][0]] == 255).all()
    assert (pixels[: before[1], : before[0]] == 0).all()
    outside = np.ceil(end + 1).astype(int)
    assert (pixels[outside[1] :] == FILL).all()
    assert (pixels[:, outside[0] :] == FILL).all()


def test_an_image_of_the_inputs_size_is_left_as_it_is() -> None:
    image = red_dot(96, 64, 10, 20)
    box = Letterbox.fit(96, 64, 96)
    assert box.scale == 1
    np.testing.assert_array_equal(box.apply(image), image)


@pytest.mark.parametrize(("width", "height", "size"), [(0, 5, 96), (5, -1, 96), (5, 5, 0), (5, 5, 100)])
def test_what_cannot_be_fitted_is_an_error(width: int, height: int, size: int) -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        Letterbox.fit(width, height, size)
