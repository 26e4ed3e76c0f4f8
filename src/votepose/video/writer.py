"""Writes drawn videos atomically: frames with their own times, and the source's audio."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image

from votepose.errors import VoteposeError, one_line
from votepose.io.files import temporary_beside
from votepose.video.codecs import Source, bit_rate, choose_target, codec_options
from votepose.video.sound import Copied, Opus
from votepose.video.streams import import_av

_TICK = Fraction(1, 60000)  # seconds: exact for 24, 25, 30, 50, 60 frames per second; MPEG-4 allows up to 1/65535
_BT709 = 1  # FFmpeg's code for this colour space
_LIMITED_RANGE = 1  # FFmpeg's code for the limited ("TV") range


class VideoWriter:
    """A context manager that writes a video under a temporary name and renames it on closing.

    The first frame sets the video's size; frames of other sizes are scaled to fit.

    Args:
        stem: the path without suffix; see `codecs.choose_target` for the suffix.
        rate: nominal frames per second, for players; each frame has its own time.
        source: the source video; packets of its audio streams are passed to `write_audio`.
        codec: a video encoder of the installed FFmpeg; None chooses one that suits the source.

    Attributes:
        path: final path of the video.
        note: one line for the user about the format; None if it is the source's.

    Raises:
        VoteposeError: if PyAV is not installed, or FFmpeg has no such encoder; with the first frame, if that does not
            take it.
    """

    def __init__(self, stem: Path, rate: Fraction, source: Source | None = None, codec: str | None = None) -> None:
        self._av = import_av()
        self._source = source or Source()
        self._target = choose_target(self._av, codec, self._source)
        self._rate, self.note = rate, self._target.note
        self.path = stem.with_name(stem.name + self._target.suffix)
        self._partial = temporary_beside(self.path)
        self._container: Any = None
        self._last = -1  # tick of the last frame
        self._waiting: list[Any] = []  # audio packets

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # If the user stops or the source breaks off, the part written so far is kept.
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
        if self._container is None:  # the file's header comes first, and needs the first frame
            self._waiting.append(packet)
            return
        with self._errors():
            for piece in self._sounds[packet.stream.index].packets(packet):
                self._container.mux(piece)

    def close(self) -> None:
        """Finish the file and rename it; without any frame, no file is created. Raises OSError if that fails."""
        if self._container is None:
            return
        try:
            with self._errors():
                self._container.mux(self._video.encode())
                for sound in self._sounds.values():
                    self._container.mux(list(sound.rest()))
                self._container.close()
            os.replace(self._partial, self.path)
        finally:
            self.discard()

    def discard(self) -> None:
        """Delete an unfinished file."""
        if self._container is not None:
            with contextlib.suppress(Exception):  # such as a full disk, already reported
                self._container.close()
            self._container = None
        self._partial.unlink(missing_ok=True)

    def _begin(self, width: int, height: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._container = self._av.open(str(self._partial), mode="w")
        self._size = height, width
        try:
            self._video = self._open_stream(width, height)
        except (ValueError, self._av.error.FFmpegError) as error:
            self.discard()
            what = f"{width}x{height} pixels as {self._target.encoder} in {self.path.suffix}"
            message = f"cannot encode {what} ({one_line(error, 120)}): choose another --video-codec"
            raise VoteposeError(f"{self.path}: {message}") from None
        self._sounds = {stream.index: self._sound(stream) for stream in self._source.audio}
        waiting, self._waiting = self._waiting, []
        for packet in waiting:
            self.write_audio(packet)

    def _open_stream(self, width: int, height: int) -> Any:
        """The av.VideoStream, whose encoder is open."""
        encoder = self._target.encoder
        stream = self._container.add_stream(encoder, rate=self._rate, options=codec_options(encoder))
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = _TICK
        context.colorspace = context.color_primaries = context.color_trc = _BT709  # what `write` converts to
        context.color_range = _LIMITED_RANGE
        context.bit_rate = bit_rate(encoder, width, height, float(self._rate))
        context.open(strict=False)
        return stream

    def _sound(self, stream: Any) -> Copied | Opus:
        return Opus(self._av, self._container, stream) if self._target.opus else Copied(self._container, stream)

    def _fit(self, pixels: np.ndarray) -> np.ndarray:
        """The frame at the video's size: scaled if its own size differs, and padded by repeating an edge if a side is
        odd."""
        height, width = self._size
        if pixels.shape[:2] != (height, width):
            scale = min(width / pixels.shape[1], height / pixels.shape[0])
            inner = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
            scaled = Image.fromarray(pixels).resize(inner, Image.Resampling.BILINEAR)
            canvas = Image.new("RGB", (width, height))
            canvas.paste(scaled, ((width - inner[0]) // 2, (height - inner[1]) // 2))
            pixels = np.asarray(canvas)
        return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")  # yuv420p halves both sides

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Convert FFmpeg's errors to an OSError that names the file."""
        try:
            yield
        except self._av.error.FFmpegError as error:
            number = error.errno if isinstance(error, OSError) and error.errno else errno.EIO
            raise OSError(number, error.strerror or str(error), str(self.path)) from None
