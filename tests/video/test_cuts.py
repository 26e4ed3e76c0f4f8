"""Cuts are found; flashes, pans, fast movement and fades to black are none."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from votepose.video.cuts import Scenes


def view(seed: int, width: int = 480, height: int = 240) -> np.ndarray:
    """A wide picture with soft structure and a few colours of its own."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (6, 12, 1)) * 0.5 + random.integers(0, 128, (1, 1, 3))
    return np.asarray(Image.fromarray(small.astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC))


def numbers(frames: list[np.ndarray], rate: float = 25, memory: float = 1.0) -> list[int]:
    scenes = Scenes(memory)
    return [scenes(pixels, k / rate) for k, pixels in enumerate(frames)]


def pan(seed: int, count: int, step: int) -> list[np.ndarray]:
    return [view(seed)[:, step * k : step * k + 240] for k in range(count)]


def brightened(pixels: np.ndarray, gain: float) -> np.ndarray:
    return np.clip(pixels * gain + 30, 0, 255).astype(np.uint8)


def test_a_cut_begins_a_scene() -> None:
    assert numbers([*pan(1, 5, 4), *pan(2, 5, 4), *pan(3, 3, 4)]) == [1] * 5 + [2] * 5 + [3] * 3


@pytest.mark.parametrize("step", [2, 20, 60])
def test_a_moving_camera_stays_in_its_scene(step: int) -> None:
    assert set(numbers(pan(1, 4, step))) == {1}


def test_a_fast_mover_is_no_cut() -> None:
    frames = []
    for k in range(8):
        frame = view(1)[:, :240].copy()
        frame[60:220, 25 * k : 25 * k + 60] = (200, 30, 30)
        frames.append(frame)
    assert set(numbers(frames)) == {1}


@pytest.mark.parametrize("flash", [lambda p: brightened(p, 1.8), lambda p: np.full_like(p, 255), np.zeros_like])
def test_a_flash_is_no_cut(flash) -> None:
    frames = pan(1, 8, 2)
    frames[3] = flash(frames[3])
    assert set(numbers(frames)) == {1}


def test_a_scene_that_returns_soon_has_its_number_again() -> None:
    there_and_back = [*pan(1, 5, 4), *pan(2, 5, 4), *pan(1, 5, 4)]
    assert numbers(there_and_back) == [1] * 5 + [2] * 5 + [1] * 5
    assert numbers(there_and_back, memory=0.1) == [1] * 5 + [2] * 5 + [3] * 5


def test_black_frames_belong_to_the_scene_before() -> None:
    black = [np.zeros((240, 240, 3), np.uint8)] * 3
    assert numbers([*black, *pan(1, 3, 4), *black, *pan(2, 3, 4)]) == [0] * 3 + [1] * 6 + [2] * 3


def test_frames_may_be_small_and_change_their_size() -> None:
    assert set(numbers([view(1)[:, :240], view(1)[:, :240][::2, ::2], view(1)[:9, :9], np.zeros((1, 1, 3), np.uint8)]))
