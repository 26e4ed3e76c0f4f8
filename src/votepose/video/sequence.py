"""Reads image sequences as videos."""

from __future__ import annotations

from collections.abc import Callable, Generator
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

from votepose.errors import VoteposeError
from votepose.io.images import read_image
from votepose.io.inputs import Input
from votepose.video.part import Part
from votepose.video.reader import Frame, VideoReader

SEQUENCE_RATE = 25.0  # frames per second, by default


class SequenceReader:
    """The frames of a numbered image sequence or a folder: like a `VideoReader`, without audio.

    Args:
        source: an input with `frames`.
        part: frames to read; None for all.
        rate: frames per second.

    Raises:
        VoteposeError: after the last frame, if an image could not be read; or if no frame is selected.
    """

    live = False
    codec = None
    jumps = 0

    def __init__(self, source: Input, part: Part | None = None, rate: float = SEQUENCE_RATE) -> None:
        self.label, self._frames, self._part = source.label, source.frames, part or Part()
        self.rate = _fraction(rate)
        self.count = self._part.frames(len(self._frames), self.rate)
        self.audio: list[Any] = []
        self.on_audio: Callable[[Any], None] = lambda packet: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        pass

    def __iter__(self) -> Generator[Frame, None, None]:
        first: int | None = None
        failures: list[str] = []
        for index, path in self._frames:
            time = float(index / self.rate)
            if self._part.is_over(time):
                break
            if time < self._part.start:
                continue
            first = index if first is None else first
            if (index - first) % self._part.every:
                continue
            try:
                pixels = read_image(path)
            except VoteposeError as error:
                failures.append(str(error))
                continue
            yield Frame(pixels, index, time)
        if failures:
            more = f" (and {len(failures) - 1} more of its images)" if len(failures) > 1 else ""
            raise VoteposeError(f"{self.label}: {failures[0]}{more}")
        if first is None:
            last = self._frames[-1][0] / self.rate
            raise VoteposeError(f"{self.label}: ends after {float(last):.3g} s, before the requested start")


def open_video(one: Input, part: Part | None = None, rate: float | None = None) -> VideoReader | SequenceReader:
    """Open a video input; `rate` is the frame rate of an image sequence."""
    return SequenceReader(one, part, rate or SEQUENCE_RATE) if one.frames else VideoReader(one, part)


def _fraction(rate: float) -> Fraction:
    """The rate as a fraction with small numbers, such as 30000/1001; below 1, the interval has them."""
    return Fraction(rate).limit_denominator(1001) if rate >= 1 else 1 / Fraction(1 / rate).limit_denominator(1001)
