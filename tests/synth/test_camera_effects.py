"""A camera changes what pixels look like, never where things are."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from votepose.errors import VoteposeError
from votepose.synth.camera_effects import CameraEffects, Chance, photograph
from votepose.synth.colour import linear_to_srgb, srgb_to_linear
from votepose.synth.kernels import disc, stroke

NONE = replace(CameraEffects(), **{f.name: Chance(0, 0, 0) for f in fields(CameraEffects) if f.name != "subsampled"})
SEEDS = range(12)


def scene(height: int = 60, width: int = 80) -> np.ndarray:
    return np.random.default_rng(0).random((height, width, 3), np.float32)


def dot(x: float, y: float, sigma: float = 0.8) -> np.ndarray:
    """A small bright dot on black; x, y in pixels whose centres lie at halves."""
    rows, columns = np.mgrid[:64, :64] + 0.5
    cover = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)) * 0.8
    return np.repeat(cover[..., None], 3, axis=2).astype(np.float32)


def centre(picture: np.ndarray) -> np.ndarray:
    light = srgb_to_linear(picture).sum(axis=-1)
    light = np.where(light > 0.02 * light.max(), light, 0)
    rows, columns = np.mgrid[: light.shape[0], : light.shape[1]] + 0.5
    return np.array([(light * columns).sum(), (light * rows).sum()]) / light.sum()


def test_no_effects_is_the_srgb_of_the_scene() -> None:
    image = scene()
    expected = np.round(linear_to_srgb(image) * 255)
    assert np.abs(photograph(image, np.random.default_rng(0), NONE) - expected).max() <= 1


@pytest.mark.parametrize(
    ("name", "chance"),
    [
        ("motion_blur", Chance(1, 1, 8)),
        ("defocus", Chance(1, 0.3, 3)),
        ("rescale", Chance(1, 1.2, 2.5)),
        ("sharpen", Chance(1, 0.2, 1)),
        ("contrast", Chance(1, 0.9, 1.3)),
        ("jpeg", Chance(1, 80, 95)),
    ],
)
@pytest.mark.parametrize("place", [(31.5, 30.5), (30.2, 33.9)])
def test_a_dot_stays_where_it_is(name: str, chance: Chance, place: tuple[float, float]) -> None:
    config = replace(NONE, **{name: chance})
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        assert np.abs(centre(photograph(dot(*place), rng, config)) - place).max() < 0.1, (name, seed)


@pytest.mark.parametrize("size", [0.5, 1.0, 2.3, 7.9])
def test_kernels_are_symmetric_and_keep_the_light(size: float) -> None:
    for kernel in (disc(size), *(stroke(size, angle) for angle in (0.0, 0.7, 1.5, 2.9))):
        assert kernel.shape[0] == kernel.shape[1]
        assert kernel.shape[0] % 2 == 1
        assert np.allclose(kernel, kernel[::-1, ::-1], atol=1e-6)
        assert abs(kernel.sum() - 1) < 1e-5


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (33, 60)])
def test_every_size_gives_bytes_of_that_size(size: tuple[int, int]) -> None:
    sure = replace(
        CameraEffects(),
        **{
            f.name: replace(getattr(CameraEffects(), f.name), share=1.0)
            for f in fields(CameraEffects)
            if f.name != "subsampled"
        },
    )
    for config in (None, sure):
        picture = photograph(scene(*size), np.random.default_rng(1), config)
        assert picture.shape == (*size, 3)
        assert picture.dtype == np.uint8


def test_the_seed_decides_and_the_scene_is_kept() -> None:
    image = scene()
    before = image.copy()
    first, again, other = (photograph(image, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(image, before)


def test_switching_one_effect_off_leaves_the_others_as_they_were() -> None:
    for seed in SEEDS:
        rngs = [np.random.default_rng(seed) for _ in range(2)]
        for rng, share in zip(rngs, (0.0, 1.0), strict=True):
            Chance(share, 1, 2).draw(rng)
        assert rngs[0].random() == rngs[1].random()


def test_metering_brings_dark_and_bright_scenes_together() -> None:
    config = replace(NONE, metering=Chance(1, 1, 1))
    means = [photograph(scene() * gain, np.random.default_rng(0), config).mean() for gain in (0.02, 0.1, 0.5)]
    assert max(means) - min(means) < 3


def test_noise_grows_with_light_and_grey_has_no_colour() -> None:
    config = replace(NONE, full_well=Chance(1, 3, 3))
    dark, bright = (
        srgb_to_linear(photograph(np.full((64, 64, 3), level, np.float32), np.random.default_rng(0), config)).std()
        for level in (0.05, 0.5)
    )
    assert 2 < bright / dark < 4.5  # the root of ten
    grey = photograph(scene(), np.random.default_rng(0), replace(NONE, grey=Chance(1, 0, 0)))
    assert np.ptp(grey.astype(int), axis=-1).max() <= 1


@pytest.mark.parametrize("numbers", [(-0.1, 0, 1), (1.1, 0, 1), (0.5, 2, 1), (0.5, 0, float("nan"))])
def test_an_impossible_effect_is_refused(numbers: tuple[float, float, float]) -> None:
    with pytest.raises(VoteposeError, match="not a valid effect"):
        Chance(*numbers)
