"""Reads the frames of video files, webcams and network streams with PyAV (FFmpeg; the [video] extra)."""

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
from votepose.video.display import shown_pixels
from votepose.video.duration import expected_end, frame_count, is_cut_short
from votepose.video.part import Part
from votepose.video.streams import choose_video, import_av, open_stream, reason
from votepose.video.timeline import FrameClock, Timeline

_RATE = Fraction(25)  # frames per second, if the stream does not say


@dataclass(frozen=True)
class Frame:
    """One frame of a video.

    Attributes:
        pixels: (height, width, 3) uint8 RGB as a player shows it: with square pixels, rotated and mirrored according to
            the metadata. The size may change during the video.
        index: 0, 1, 2, … in display order; dropped frames count.
        time: seconds since the first frame; strictly increasing.
    """

    pixels: np.ndarray
    index: int
    time: float


class VideoReader:
    """The frames of a video in display order: a context manager and an iterable.

    Args:
        source: a video file, a stream (http(s), rtsp or another that FFmpeg can open), or "webcam:0".
        part: frames to read; None for all.

    Attributes:
        label: name of the source, without a password.
        rate: frames per second according to the file; the mean if it varies.
        count: number of selected frames according to the file; None if unknown.
        live: whether it is a camera or an endless stream.
        codec: FFmpeg's name of the video's format, such as "h264".
        audio: the audio streams (av.AudioStream).
        on_audio: called with each audio packet (av.Packet), shifted so that time 0 is that of the first selected frame.
        jumps: number of jumps in the time stamps so far; the frames' times continue without a jump.

    Raises:
        VoteposeError: if PyAV is not installed, or the source cannot be opened, has no video or no selected frame, or
            breaks off. For a damaged or truncated file it is raised after the last readable frame.
    """

    def __init__(self, source: Input | str, part: Part | None = None) -> None:
        one = Input(source, "video") if isinstance(source, str) else source
        self._av, self.label, self._part = import_av(), one.label, part or Part()
        with self._errors():
            self._container = open_stream(self._av, one)
        self._stream = choose_video(self._av, self._container)
        if self._stream is None:
            pictures = bool(self._container.streams.video)
            self._container.close()
            raise VoteposeError(f"{self.label}: holds no video{', only a cover image' if pictures else ''}")
        self._untimed = self._container.format.name == "mpjpeg"  # network cameras that send images without time stamps
        self.live = one.kind == "live" or self._untimed
        self._stream.thread_type = "AUTO"
        self._end, self._end_of_video = expected_end(self._av, self._container, self._stream)
        self._reached = 0.0  # seconds, of the packets read so far
        self._marked = [False, False]  # whether the last two packets are marked as corrupt
        discontinuous = self._container.format.flags & self._av.format.Flags.ts_discont.value
        self._timeline = Timeline(self.live or bool(discontinuous))
        self.codec: str = self._stream.codec_context.codec.canonical_name
        self.audio = [stream for stream in self._container.streams.audio if stream.codec_context is not None]
        self.rate = Fraction(self._stream.average_rate or self._stream.guessed_rate or _RATE)
        count = None if self.live else frame_count(self._av, self._container, self._stream, self.rate)
        self.count = self._part.frames(count, self.rate)
        self.on_audio: Callable[[Any], None] = lambda packet: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._container.close()

    @property
    def jumps(self) -> int:
        return self._timeline.jumps

    def __iter__(self) -> Generator[Frame, None, None]:
        done, damaged, first = 0, 0, -1
        clock = FrameClock(float(1 / self.rate))
        at = 0.0
        begin: float | None = None  # time stamp of the first selected frame
        waiting: list[Any] = []
        with self._errors():
            for packet in self._packets():
                if packet.stream is not self._stream:
                    waiting.append(packet)
                pictures, bad = self._decode(packet) if packet.stream is self._stream else ([], False)
                damaged += bad and done > 0  # recordings may begin between key frames
                for picture in pictures:
                    at = clock(self._stamp(picture))
                    if self._part.is_over(at):
                        return
                    if at >= self._part.start:
                        first, begin = (done, clock.origin + at) if begin is None else (first, begin)
                        if (done - first) % self._part.every == 0:
                            yield Frame(shown_pixels(picture, self._pixel_shape), done, at)
                    done += 1
                if begin is not None:  # audio waits for the first selected frame, which is at time 0
                    for sound in waiting:
                        self._pass_on(sound, begin)
                    waiting.clear()
        if not self.live and not done:
            raise VoteposeError(f"{self.label}: holds no frame that can be decoded")
        if not self.live and (damaged or is_cut_short(self._end, self._reached)):
            raise VoteposeError(f"{self.label}: is damaged or cut short; {done} of its frames could be read")
        if begin is None and done:
            raise VoteposeError(f"{self.label}: ends after {at:.3g} s, before the requested start")

    def _packets(self) -> Iterator[Any]:
        """The video and audio packets, with continuous time stamps."""
        endings = (self._av.error.EOFError, *([self._av.error.OSError] if self._untimed else []))
        with contextlib.suppress(*endings):  # some cameras end this way
            for packet in self._container.demux():
                shown = packet.stream is self._stream
                if packet.pts is not None and (shown or not self._end_of_video):
                    self._reached = max(self._reached, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                if shown or packet.stream in self.audio:
                    self._timeline.correct(packet)
                    yield packet

    def _decode(self, packet: Any) -> tuple[list[Any], bool]:
        """The images in a packet, and whether it is corrupt."""
        # A packet's corrupt flag alone is no proof: in concatenated streams, one of the last two packets before the
        # next key frame has it too.
        broken = self._marked[0] and not packet.is_keyframe and packet.size > 0
        self._marked = [self._marked[1] and not packet.is_keyframe, packet.is_corrupt]
        try:
            pictures = packet.decode()
        except self._av.error.InvalidDataError:
            return [], True
        return pictures, broken or any(picture.is_corrupt for picture in pictures)

    @property
    def _pixel_shape(self) -> Fraction | None:
        """Pixel aspect ratio, from the container or else the codec's latest header."""
        shape = self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio
        return None if shape is None else Fraction(shape)

    def _stamp(self, picture: Any) -> float | None:
        """The image's time stamp in seconds, from an arbitrary origin."""
        return time.monotonic() if self._untimed else picture.time

    def _pass_on(self, packet: Any, begin: float) -> None:
        if packet.dts is None:  # the flush at the end
            return
        shift = round(begin / packet.time_base)
        packet.pts, packet.dts = (None if at is None else at - shift for at in (packet.pts, packet.dts))
        if self._part.start == 0 or packet.dts >= 0:
            self.on_audio(packet)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Convert FFmpeg's errors to a one-line VoteposeError."""
        try:
            yield
        except self._av.error.FFmpegError as error:
            raise VoteposeError(f"{self.label}: {reason(self._av, error)}") from None
