"""Arrays as images: floats, BGR, and what is refused because it could be read in two ways."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as npst

from votepose.errors import VoteposeError
from votepose.io.arrays import rgb_from_array
from votepose.io.images import read_image

COLOURS = npst.arrays(np.uint8, (4, 5, 4))


@given(COLOURS)
def test_floats_in_0_to_1_are_the_bytes_they_were_made_of(rgba: np.ndarray) -> None:
    for channels in (rgba, rgba[..., :3], rgba[..., :1], rgba[..., 0]):
        for kind in (np.float16, np.float32, np.float64):
            np.testing.assert_array_equal(rgb_from_array((channels / 255).astype(kind)), rgb_from_array(channels))


@given(COLOURS)
def test_bgr_swaps_red_and_blue_and_leaves_grey_and_alpha(rgba: np.ndarray) -> None:
    swapped = rgba[..., [2, 1, 0, 3]]
    for same in (swapped, swapped / 255.0, swapped.astype(np.uint16) * 257):
        np.testing.assert_allclose(rgb_from_array(same, bgr=True).astype(int), rgb_from_array(rgba), atol=1)
    np.testing.assert_array_equal(rgb_from_array(rgba[..., 2::-1], bgr=True), rgba[..., :3])
    np.testing.assert_array_equal(rgb_from_array(rgba[..., 0], bgr=True), rgb_from_array(rgba[..., 0]))


@pytest.mark.parametrize(
    ("low", "high", "line"),
    [
        (0, 255, "0 to 255: convert it to uint8"),
        (-2.1, 2.6, "-2.1 to 2.6: undo its normalization"),
        (-1, 1, "-1 to 1: undo its normalization"),
        (-0.05, 1.04, "-0.05 to 1.04: clip it"),
        (0, np.nan, "NaN"),
        (-np.inf, 1, "infinite"),
    ],
)
def test_a_float_image_outside_0_to_1_is_refused_with_what_to_do(low: float, high: float, line: str) -> None:
    image = np.full((4, 5, 3), 0.5)
    image[0, 0, 0], image[1, 1, 1] = low, high
    with pytest.raises(VoteposeError, match=line) as caught:
        rgb_from_array(image)
    assert "\n" not in str(caught.value)


def test_rounding_beyond_1_is_no_error() -> None:
    assert rgb_from_array(np.full((2, 2), 1.0004)).max() == 255
    assert rgb_from_array(np.full((2, 2), -0.0004)).max() == 0


def test_bgr_is_refused_where_the_colour_order_is_known() -> None:
    with pytest.raises(VoteposeError, match="only for arrays"):
        read_image("photo.jpg", bgr=True)
