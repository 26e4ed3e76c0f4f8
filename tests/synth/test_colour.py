"""sRGB and linear light are each other's inverse, whatever the type."""

from __future__ import annotations

import numpy as np

from votepose.synth.colour import linear_to_srgb, luminance, srgb_to_linear


def test_round_trip_and_known_values() -> None:
    values = np.linspace(0, 1, 1001, dtype=np.float32).reshape(7, 143)
    assert np.abs(linear_to_srgb(srgb_to_linear(values)) - values).max() < 1e-5
    assert abs(float(srgb_to_linear(np.float32(0.5))) - 0.21404) < 1e-4
    assert linear_to_srgb(np.zeros((0, 3), np.float32)).shape == (0, 3)


def test_bytes_and_floats_agree() -> None:
    pixels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(srgb_to_linear(pixels), srgb_to_linear(pixels.astype(np.float32) / 255).astype(np.float32))
    assert np.array_equal(np.round(linear_to_srgb(srgb_to_linear(pixels)) * 255), pixels)


def test_grey_is_as_light_as_its_channels() -> None:
    assert np.allclose(luminance(np.full((2, 3, 3), 0.3, np.float32)), 0.3)
