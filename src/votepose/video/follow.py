"""A sink for a clip of one person: a square window that follows a track smoothly."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from votepose.errors import VoteposeError
from votepose.outputs.sink import Item, Prediction, Sink, Take
from votepose.video.codecs import Source
from votepose.video.one_euro import OneEuro, Smoothing
from votepose.video.tracker import Tracking
from votepose.video.writer import VideoWriter

FOLDER = "follow"  # in --out
_MARGIN = 1.6  # side of the window, relative to the longer side of the person's box
_LARGEST = 720  # maximum side of the clip, in pixels
_CAMERA = Smoothing(min_cutoff=0.3, beta=1.5)  # smoothing of the window's centre and side, steadier than for joints


class FollowedPerson(Sink):
    """Writes FOLDER/NAME-ID.mp4 for each video, a silent clip around one track, from its first to its last frame.

    Args:
        track: the person's id.
        folder: folder for the clips.
        drawn: whether to show the poses.
        codec: encoder of the clip, see `VideoWriter`.
    """

    def __init__(self, track: int, folder: Path, drawn: bool, codec: str | None) -> None:
        self._track, self._folder, self._drawn, self._codec = track, folder, drawn, codec

    @contextlib.contextmanager
    def open(self, item: Item) -> Iterator[Take]:
        if item.video is None:
            yield lambda found: None
            return
        stem = self._folder / item.stem.with_name(f"{item.stem.name}-{self._track}")
        source = Source(item.video.codec, item.source.path.suffix)
        tracks: set[int] = set()
        with VideoWriter(stem, item.video.rate, source, self._codec) as writer:
            clip = _Clip(writer)

            def take(found: Prediction) -> None:
                ids = [] if found.poses.ids is None else found.poses.ids.tolist()
                tracks.update(ids)
                box = found.poses.boxes[ids.index(self._track)] if self._track in ids else None
                clip.add(found, box, self._drawn)

            yield take
        if self._track not in tracks:
            there = f"its tracks are {_listed(sorted(tracks))}" if tracks else "it has none"
            raise VoteposeError(f"{item.source.label}: has no track {self._track} for --follow; {there}")


class _Clip:
    """The frames of the window; frames without the person are written only if the person reappears."""

    def __init__(self, writer: VideoWriter) -> None:
        self._writer = writer
        self._window = _Window()
        self._waiting: list[tuple[np.ndarray, float]] = []
        self._start: float | None = None
        self._seen, self._missed = 0.0, 0  # time of the person's last frame, and number of frames since
        self._side = 0

    def add(self, found: Prediction, box: np.ndarray | None, drawn: bool) -> None:
        """Add a frame, with the person's box (4,) in it."""
        time = found.time or 0.0
        if box is not None:
            self._seen, self._missed = time, 0
        elif self._start is None or self._is_over(time):
            self._waiting.clear()
            return
        if self._start is None:
            self._start = time
            self._side = min(_LARGEST, *found.pixels.shape[:2]) // 2 * 2
        picture = found.drawing if drawn else Image.fromarray(found.pixels)
        window = self._window.at(box, time, picture.size)
        part = picture.resize((self._side, self._side), Image.Resampling.BILINEAR, box=window)
        self._waiting.append((np.asarray(part), time - self._start))
        if box is not None:
            for pixels, when in self._waiting:
                self._writer.write(pixels, when)
            self._waiting.clear()

    def _is_over(self, time: float) -> bool:
        """Whether the tracker has dropped the track, which it keeps for some time and at least two frames."""
        self._missed += 1
        return self._missed > 2 and time - self._seen > Tracking().max_gap


class _Window:
    """Position of the window: around the box, smoothed over time, inside the image."""

    def __init__(self) -> None:
        self._filter = OneEuro()
        self._place = np.zeros((2, 2))  # centre; side, side

    def at(self, box: np.ndarray | None, time: float, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) in an image of (width, height) `size`; without a box it does not move."""
        if box is not None:
            x1, y1, x2, y2 = box.tolist()
            side = _MARGIN * max(x2 - x1, y2 - y1)
            place = np.array([[(x1 + x2) / 2, (y1 + y2) / 2], [side, side]])
            self._place = self._filter(place, np.ones(2), time, side, _CAMERA)
        (x, y), (side, _) = self._place.tolist()
        side = min(max(side, 16.0), *size)
        left, top = (min(max(0.0, at - side / 2), full - side) for at, full in zip((x, y), size, strict=True))
        return left, top, left + side, top + side


def _listed(numbers: list[int]) -> str:
    """The first numbers as text."""
    return ", ".join([*map(str, numbers[:10]), *(["…"] if len(numbers) > 10 else [])])
