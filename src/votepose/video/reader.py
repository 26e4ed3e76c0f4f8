"""Reads the frames of video files, webcams and network streams, with PyAV (FFmpeg; the [video] extra)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import numpy as np

from votepose.errors import VoteposeError
from votepose.io.inputs import Input
from votepose.video.duration import frame_count, is_cut_short
from votepose.video.streams import import_av, open_stream, reason

_RATE = Fraction(25)  # frames per second, where a stream does not say


@dataclass(frozen=True)
class Frame:
    """One frame of a video.

    Attributes:
        pixels: (height, width, 3) uint8 RGB, rotated as the video's metadata says.
        index: 0, 1, 2, … in the order shown; dropped frames count.
        time: seconds since the first frame.
    """

    pixels: np.ndarray
    index: int
    time: float


class VideoReader:
    """The frames of a video, in the order shown: a context manager and an iterable.

    Args:
        source: a video file, a stream (http(s), rtsp and others that FFmpeg opens), or "webcam:0".

    Attributes:
        label: the source's name, without a password.
        rate: frames per second, as the file says; the mean of a variable rate.
        count: the number of frames, as the file says; None if it does not.
        live: whether it is a camera, or a stream without an end.
        audio: the audio streams (av.AudioStream).
        on_audio: called with each audio packet (av.Packet), shifted so that time 0 is the first frame's.

    Raises:
        VoteposeError: if PyAV is not installed, or the source cannot be opened, has no video or no frame, or breaks
            off. If a file is damaged or cut short, it is raised after the last frame that can be read.
    """

    def __init__(self, source: Input | str) -> None:
        one = Input(source, "video") if isinstance(source, str) else source
        self._av, self.label = import_av(), one.label
        with self._errors():
            self._container = open_stream(self._av, one)
        if not self._container.streams.video:
            self._container.close()
            raise VoteposeError(f"{self.label}: holds no video")
        self._untimed = self._container.format.name == "mpjpeg"  # network cameras: pictures without time stamps
        self.live = one.kind == "live" or self._untimed
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._reached = 0.0  # seconds, of the packets read so far
        self.audio = [stream for stream in self._container.streams.audio if stream.codec_context is not None]
        self.rate = Fraction(self._stream.average_rate or self._stream.guessed_rate or _RATE)
        self.count = None if self.live else frame_count(self._av, self._container, self._stream, self.rate)
        self.on_audio: Callable[[Any], None] = lambda packet: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._container.close()

    def __iter__(self) -> Generator[Frame, None, None]:
        done, damaged = 0, 0
        start: float | None = None
        waiting: list[Any] = []
        with self._errors():
            for packet in self._packets():
                if packet.stream is not self._stream:
                    waiting.append(packet)
                pictures, bad = self._decode(packet) if packet.stream is self._stream else ([], False)
                damaged += bad
                for picture in pictures:
                    stamp = self._seconds(picture, done)
                    start = stamp if start is None else start
                    yield Frame(_upright(picture), done, stamp - start)
                    done += 1
                if start is not None:  # audio waits for the first frame, whose time is 0
                    for sound in waiting:
                        self._pass_on(sound, start)
                    waiting.clear()
        if self.live:
            return
        if not done:
            raise VoteposeError(f"{self.label}: holds no frame that can be decoded")
        if damaged or is_cut_short(self._av, self._container, self._reached):
            raise VoteposeError(f"{self.label}: is damaged or cut short; {done} of its frames could be read")

    def _packets(self) -> Iterator[Any]:
        endings = (self._av.error.EOFError, *([self._av.error.OSError] if self._untimed else []))
        with contextlib.suppress(*endings):  # some cameras end like that
            for packet in self._container.demux(self._stream, *self.audio):
                if packet.pts is not None:
                    self._reached = max(self._reached, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                yield packet

    def _decode(self, packet: Any) -> tuple[list[Any], bool]:
        """The pictures in a packet, and whether it is damaged."""
        try:
            return packet.decode(), bool(packet.is_corrupt)
        except self._av.error.InvalidDataError:
            return [], True

    def _seconds(self, picture: Any, index: int) -> float:
        """The picture's time, from any origin."""
        if self._untimed:
            return time.monotonic()
        return float(index / self.rate) if picture.time is None else float(picture.time)

    def _pass_on(self, packet: Any, start: float) -> None:
        if packet.dts is None:  # the flush at the end
            return
        shift = round(start / packet.time_base)
        packet.pts, packet.dts = (None if at is None else at - shift for at in (packet.pts, packet.dts))
        self.on_audio(packet)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Raises FFmpeg's errors as VoteposeError, in one line."""
        try:
            yield
        except self._av.error.FFmpegError as error:
            raise VoteposeError(f"{self.label}: {reason(self._av, error)}") from None


def _upright(picture: Any) -> np.ndarray:
    pixels = picture.to_ndarray(format="rgb24")
    turns = round(picture.rotation / 90) % 4  # counterclockwise, as in np.rot90
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels
