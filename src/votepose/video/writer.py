"""Drawn video: frames encoded at their own times, the audio copied as it is, whole or not at all."""

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
from votepose.video.streams import import_av

# In order of choice. x264 and x265, the usual ones, are GPL: they are used only where they are asked for by name.
CODECS = ("libopenh264", "libvpx-vp9", "mpeg4")
_OPTIONS = {
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "crf": "24"},
    "mpeg4": {"qmin": "2", "qmax": "6"},
}
_BITS = 0.2  # a pixel, where a codec is told how much it may use
_TICKS = Fraction(1, 60000)  # a second: whole for 24, 25, 30, 50, 60 frames a second; at most 65535 for MPEG-4
_MP4_AUDIO = frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "opus", "flac", "alac"})


class VideoWriter:
    """A video that grows under another name and gets its own when it is closed: a context manager.

    The first frame sets its size.

    Args:
        stem: the path without suffix: .mp4; .webm beside a .webm; .mkv where the audio fits into no .mp4.
        rate: frames a second; for the player's information, as each frame has a time of its own.
        audio: the streams whose packets `write_audio` will be given, of an open `VideoReader`.
        source_suffix: of the file that is drawn on.
        codec: a video encoder of the installed FFmpeg; None for the first that there is of `CODECS`.

    Attributes:
        path: where the video will be.

    Raises:
        VoteposeError: if PyAV lacks or FFmpeg has no such encoder.
    """

    def __init__(
        self, stem: Path, rate: Fraction, audio: Sequence[Any] = (), source_suffix: str = "", codec: str | None = None
    ) -> None:
        self._av = import_av()
        self._codec = _choose_codec(self._av, codec)
        self._rate, self._audio = rate, list(audio)
        fits = all(stream.codec_context.name.split("_")[0] in _MP4_AUDIO for stream in audio)
        webm = source_suffix.lower() == ".webm" and self._codec.startswith(("libvpx", "libsvtav1", "libaom"))
        suffix = ".webm" if webm else ".mp4" if fits else ".mkv"
        self.path = stem.with_name(stem.name + suffix)
        self._partial = temporary_beside(self.path)
        self._container: Any = None
        self._last = -1
        self._waiting: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # A video that was stopped, or whose source broke off, is whole as far as it goes.
        self.close() if kind is None or issubclass(kind, KeyboardInterrupt | VoteposeError) else self.discard()

    def write(self, pixels: np.ndarray, time: float) -> None:
        """Add a frame (height, width, 3) uint8 RGB, shown at `time` seconds. Raises OSError if it cannot be written."""
        with self._errors():
            if self._container is None:
                self._begin(pixels.shape[1], pixels.shape[0])
            frame = self._av.VideoFrame.from_ndarray(self._fitted(pixels), format="rgb24")
            colours = self._av.video.reformatter.Colorspace.ITU709
            frame = frame.reformat(format="yuv420p", dst_colorspace=colours)
            self._last = max(round(time / _TICKS), self._last + 1)
            frame.pts, frame.time_base = self._last, _TICKS
            self._container.mux(self._video.encode(frame))

    def write_audio(self, packet: Any) -> None:
        """Add a packet of one of the audio streams, as it is."""
        if self._container is None:  # the header, which the first frame brings, comes before any packet
            self._waiting.append(packet)
            return
        with self._errors():
            packet.stream = self._sound[packet.stream.index]
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the file and give it its name; without a frame there is none."""
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
        """Leave nothing of a file that was not finished."""
        if self._container is not None:
            with contextlib.suppress(Exception):  # of a full disk, which has been said
                self._container.close()
            self._container = None
        self._partial.unlink(missing_ok=True)

    def _begin(self, width: int, height: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._container = self._av.open(str(self._partial), mode="w")
        self._video = self._container.add_stream(self._codec, rate=self._rate, options=_OPTIONS.get(self._codec, {}))
        self._video.width, self._video.height = width + width % 2, height + height % 2  # yuv420p halves both
        self._video.pix_fmt = "yuv420p"
        context = self._video.codec_context
        context.time_base = _TICKS
        context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709, as `write` converts
        context.color_range = 1  # of televisions
        context.bit_rate = (
            0 if self._codec == "libvpx-vp9" else round(_BITS * width * height * min(float(self._rate), 60))
        )
        self._sound = {stream.index: self._container.add_stream_from_template(stream) for stream in self._audio}
        waiting, self._waiting = self._waiting, []
        for packet in waiting:
            self.write_audio(packet)

    def _fitted(self, pixels: np.ndarray) -> np.ndarray:
        """The frame in the video's size: filled up to an even one; to the first's if a stream changes."""
        height, width = self._video.height, self._video.width
        pixels = pixels[:height, :width]
        missing = height - pixels.shape[0], width - pixels.shape[1]
        if not any(missing):
            return pixels
        return np.pad(
            pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge" if max(missing) < 2 else "constant"
        )

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except self._av.error.FFmpegError as error:
            number = error.errno if isinstance(error, OSError) and error.errno else errno.EIO
            raise OSError(number, error.strerror or str(error), str(self.path)) from None


def _choose_codec(av: Any, wanted: str | None) -> str:
    for name in [wanted] if wanted else CODECS:
        with contextlib.suppress(ValueError):  # UnknownCodecError
            if av.codec.Codec(name, "w").type == "video":
                return str(name)
    names = wanted or ", ".join(CODECS)
    raise VoteposeError(f"the installed FFmpeg cannot encode {names}: leave out --video-codec, or name another")
