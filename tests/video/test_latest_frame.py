"""Real time: the newest frame each time, in order, however slow the one who looks at them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from votepose.errors import VoteposeError
from votepose.video.latest_frame import LatestFrames
from votepose.video.reader import Frame


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


class Film:
    """A file whose frames are due at `times`; reading the k-th takes `reading[k]` seconds on its clock."""

    live = False

    def __init__(self, times: list[float], reading: list[float]) -> None:
        self.times, self.reading = times, reading
        self.now, self.shown = 100.0, list[float]()

    def __iter__(self) -> Iterator[Frame]:
        for k, (time, reading) in enumerate(zip(self.times, self.reading, strict=True)):
            self.now += reading
            yield Frame(np.zeros((2, 2, 3), np.uint8), k, time)
            self.shown.append(self.now)

    def wait(self, changed: threading.Condition, seconds: float) -> None:
        self.now += min(seconds, 0.03)  # as if notified of something else meanwhile


def test_a_file_plays_at_its_own_speed() -> None:
    film: Any = Film([2.0, 2.1, 2.2, 2.5, 2.6], reading=[0.3, 0.04, 0.2, 0.01, 0.0])
    newest = LatestFrames(film, lambda: film.now, film.wait)
    seen = [frame.index for frame in newest]
    assert film.shown == pytest.approx([100.3, 100.4, 100.6, 100.8, 100.9])  # only the third is read too slowly
    assert (seen, seen[-1]) == (sorted(set(seen)), 4)
    assert len(seen) + newest.dropped == 5


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
