"""Frames as a player shows them: all eight orientations, pixels that are not square, sizes that change."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from helpers.clips import RATE, av, dot_centres, dot_frames, save_clip, set_matrix
from votepose.video.reader import VideoReader

ORIENTATIONS = [(a, 0, 0, d) for a, d in itertools.product((1, -1), repeat=2)]
ORIENTATIONS += [(0, b, c, 0) for b, c in itertools.product((1, -1), repeat=2)]


@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_all_eight_orientations_are_shown_right(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    a, b, c, d = matrix
    with VideoReader(str(set_matrix(save_clip(tmp_path / "a.mp4", dot_frames(2)), matrix))) as reader:
        pixels = next(iter(reader)).pixels
    width, height = (128, 96) if a else (96, 128)
    assert pixels.shape == (height, width, 3)
    assert pixels.flags.c_contiguous
    x, y = dot_centres(dot_frames(1)[0])
    # QuickTime: x' = a x + c y, y' = b x + d y, moved so that the image begins at 0.
    shown = a * x + c * y + width * (a + c < 0), b * x + d * y + height * (b + d < 0)
    assert dot_centres(pixels) == pytest.approx(shown, abs=0.7)


@pytest.mark.parametrize(
    ("pixel_shape", "size"),
    [((4, 3), (171, 96)), ((10, 11), (128, 106)), ((1, 1), (128, 96)), ((1, 200), (128, 96))],
)
def test_pixels_become_square(tmp_path: Path, pixel_shape: tuple[int, int], size: tuple[int, int]) -> None:
    path = save_clip(tmp_path / "a.mkv", dot_frames(2), pixel_shape=Fraction(*pixel_shape))
    with VideoReader(str(path)) as reader:
        pixels = next(iter(reader)).pixels
    assert pixels.shape == (size[1], size[0], 3)
    x, y = dot_centres(dot_frames(1)[0])
    assert dot_centres(pixels) == pytest.approx((x * size[0] / 128, y * size[1] / 96), abs=0.7)


def test_a_turned_video_with_long_pixels_is_made_square_first(tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.mp4", dot_frames(2), pixel_shape=Fraction(2))
    with VideoReader(str(set_matrix(path, (0, 1, -1, 0)))) as reader:
        assert next(iter(reader)).pixels.shape == (256, 96, 3)


def test_frames_keep_their_own_size_where_it_changes(tmp_path: Path) -> None:
    large, small = dot_frames(4), [frame[::2, ::2] for frame in dot_frames(4)]
    parts = [
        save_clip(tmp_path / f"{k}.ts", frames, times=[(start + j) / RATE for j in range(4)], container_format="mpegts")
        for k, (start, frames) in enumerate([(0, large), (4, small)])
    ]
    (tmp_path / "a.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    with VideoReader(str(tmp_path / "a.ts")) as reader:
        found = list(reader)
    assert [frame.pixels.shape[:2] for frame in found] == [(96, 128)] * 4 + [(48, 64)] * 4
    assert [frame.time for frame in found] == pytest.approx([k / RATE for k in range(8)], abs=1e-3)
    for frame, pixels in zip(found, large + small, strict=True):
        assert dot_centres(frame.pixels) == pytest.approx(dot_centres(np.ascontiguousarray(pixels)), abs=0.8)


@pytest.mark.parametrize("side", [60, 240])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_cover_picture_or_preview_is_not_the_video(tmp_path: Path, suffix: str, side: int) -> None:
    cover = np.full((side, side, 3), 90, np.uint8)
    path = save_clip(tmp_path / f"a{suffix}", dot_frames(6), cover=cover)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2
    with VideoReader(str(path)) as reader:
        assert [frame.pixels.shape[:2] for frame in reader] == [(96, 128)] * 6
