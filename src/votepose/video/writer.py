"""Writes drawn videos: frames encoded with their own times, audio copied unchanged, whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from votepose.errors import VoteposeError
from votepose.io.files import temporary_beside
from votepose.video.codecs import bit_rate, choose_codec, choose_suffix, codec_options
from votepose.video.streams import import_av

_TICK = Fraction(1, 60000)  # seconds: divides frames of 24, 25, 30, 50, 60 per second; 65535 is MPEG-4's limit
_BT709 = 1  # FFmpeg's number for this colour space
_LIMITED_RANGE = 1  # FFmpeg's number for television's range of values


class VideoWriter:
    """A video that is written under a temporary name and renamed when it is closed: a context manager.

    The first frame sets its size.

    Args:
        stem: the path without suffix: .mp4; .webm if the source is one; .mkv where .mp4 cannot hold the audio.
        rate: frames per second; for the player's information only, since each frame has its own time.
        audio: the streams, of an open `VideoReader`, whose packets will be given to `write_audio`.
        source_suffix: of the file that is drawn on.
        codec: a video encoder of the installed FFmpeg; None for the first available one of `codecs.CODECS`.

    Attributes:
        path: where the video will be.

    Raises:
        VoteposeError: if PyAV is not installed, or FFmpeg has no such encoder.
    """

    def __init__(
        self, stem: Path, rate: Fraction, audio: Sequence[Any] = (), source_suffix: str = "", codec: str | None = None
    ) -> None:
        self._av = import_av()
        self._codec = choose_codec(self._av, codec)
        self._rate, self._audio = rate, list(audio)
        self.path = stem.with_name(stem.name + choose_suffix(self._codec, self._audio, source_suffix))
        self._partial = temporary_beside(self.path)
        self._container: Any = None
        self._last = -1  # tick of the last frame
        self._waiting: list[Any] = []  # audio packets

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # If the user stops or the source breaks off, the video is kept up to there.
        self.close() if kind is None or issubclass(kind, KeyboardInterrupt | VoteposeError) else self.discard()

    def write(self, pixels: np.ndarray, time: float) -> None:
        """Add a frame (height, width, 3) uint8 RGB, shown at `time` seconds. Raises OSError if it cannot be written."""
        with self._errors():
            if self._container is None:
                self._begin(pixels.shape[1], pixels.shape[0])
            frame = self._av.VideoFrame.from_ndarray(self._fit(pixels), format="rgb24")
            colours = self._av.video.reformatter.Colorspace.ITU709
            frame = frame.reformat(format="yuv420p", dst_colorspace=colours)
            self._last = max(round(time / _TICK), self._last + 1)
            frame.pts, frame.time_base = self._last, _TICK
            self._container.mux(self._video.encode(frame))

    def write_audio(self, packet: Any) -> None:
        """Add an av.Packet of one of the audio streams, unchanged. Raises OSError if it cannot be written."""
        if self._container is None:  # the file's header must come first, and it needs the first frame
            self._waiting.append(packet)
            return
        with self._errors():
            packet.stream = self._sound[packet.stream.index]
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the file and rename it; if there was no frame, no file is made. Raises OSError if that fails."""
        if self._container is None:
            return
        try:
            with self._errors():
                self._container.mux(self._video.encode())
                self._container.close()
            os.replace(self._partial, self.path)
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove what was written of an unfinished file."""
        if self._container is not None:
            with contextlib.suppress(Exception):  # such as a full disk, which has been reported
                self._container.close()
            self._container = None
        self._partial.unlink(missing_ok=True)

    def _begin(self, width: int, height: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._container = self._av.open(str(self._partial), mode="w")
        self._video = self._container.add_stream(self._codec, rate=self._rate, options=codec_options(self._codec))
        self._video.width, self._video.height = width + width % 2, height + height % 2  # yuv420p halves both
        self._video.pix_fmt = "yuv420p"
        context = self._video.codec_context
        context.time_base = _TICK
        context.colorspace = context.color_primaries = context.color_trc = _BT709  # as `write` converts
        context.color_range = _LIMITED_RANGE
        context.bit_rate = bit_rate(self._codec, width, height, float(self._rate))
        self._sound = {stream.index: self._container.add_stream_from_template(stream) for stream in self._audio}
        waiting, self._waiting = self._waiting, []
        for packet in waiting:
            self.write_audio(packet)

    def _fit(self, pixels: np.ndarray) -> np.ndarray:
        """The frame at the video's size: padded to even sides, or cut and padded if a stream changes its size."""
        height, width = self._video.height, self._video.width
        pixels = pixels[:height, :width]
        missing = height - pixels.shape[0], width - pixels.shape[1]
        if not any(missing):
            return pixels
        mode = "edge" if max(missing) < 2 else "constant"
        return np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode=mode)  # type: ignore[call-overload]

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Raises FFmpeg's errors as OSError that names the file."""
        try:
            yield
        except self._av.error.FFmpegError as error:
            number = error.errno if isinstance(error, OSError) and error.errno else errno.EIO
            raise OSError(number, error.strerror or str(error), str(self.path)) from None
