"""Real time: the newest frame each time, in order, however slow the one who looks at them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.clips import dot_frames, save_clip
from votepose.errors import VoteposeError
from votepose.video.latest_frame import LatestFrames
from votepose.video.reader import Frame, VideoReader


class Camera:
    """Yields frames on request: `show(n)` waits until n more have been taken."""

    live = True

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.count, self.error = count, error
        self.allowed, self.taken = threading.Semaphore(0), threading.Semaphore(0)

    def __iter__(self) -> Iterator[Frame]:
        for k in range(self.count):
            assert self.allowed.acquire(timeout=30)
            yield Frame(np.zeros((2, 2, 3), np.uint8), k, 0.005 * k)
            self.taken.release()
        if self.error:
            raise self.error

    def show(self, frames: int) -> None:
        for _ in range(frames):
            self.allowed.release()
            assert self.taken.acquire(timeout=30)


def test_the_slow_see_the_newest_and_miss_the_rest() -> None:
    camera: Any = Camera(20)
    newest = LatestFrames(camera)
    frames = iter(newest)
    camera.allowed.release()
    assert next(frames).index == 0
    assert camera.taken.acquire(timeout=30)
    for shown in (5, 1, 8):
        camera.show(shown)
        assert next(frames).index == {5: 5, 1: 6, 8: 14}[shown]
    camera.show(5)
    assert [frame.index for frame in frames] == [19]
    assert newest.dropped == 4 + 0 + 7 + 4


def test_a_file_plays_at_its_own_speed(tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.mp4", dot_frames(6))
    begin = time.monotonic()
    with VideoReader(str(path)) as reader:
        seen = [frame.index for frame in LatestFrames(reader)]
    assert seen == sorted(set(seen))
    assert seen[-1] == 5
    assert time.monotonic() - begin >= 0.5


def test_errors_of_the_reader_are_raised_after_its_frames() -> None:
    camera: Any = Camera(3, VoteposeError("it broke off"))
    camera.allowed.release(3)
    seen: list[Frame] = []
    with pytest.raises(VoteposeError, match="broke off"):
        seen += iter(LatestFrames(camera))


def test_who_looks_away_stops_the_reader() -> None:
    camera: Any = Camera(10**6)
    frames = iter(LatestFrames(camera))
    camera.allowed.release(1)
    next(frames)
    camera.allowed.release(10**6)
    frames.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if "_read" in thread.name]
