"""The audio of a drawn video: copied, or re-encoded if the container cannot hold it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from votepose.video.codecs import OPUS

_RATE = 48000  # the sample rate of Opus
_SPEAKERS = ("mono", "stereo")


class Copied:
    """An audio stream whose packets are copied unchanged.

    Args:
        container: the av.OutputContainer.
        source: the av.AudioStream to copy.
    """

    def __init__(self, container: Any, source: Any) -> None:
        self._stream = container.add_stream_from_template(source)
        self._last: Fraction | None = None

    def packets(self, packet: Any) -> Iterator[Any]:
        """The packets to write for an av.Packet: none if its time is not after the previous packet's."""
        time = packet.dts * packet.time_base
        if self._last is None or time > self._last:
            self._last = time
            packet.stream = self._stream
            yield packet

    def rest(self) -> Iterator[Any]:
        """The remaining packets, at the end."""
        return iter(())


class Opus:
    """An audio stream that is re-encoded as Opus, in stereo at most."""

    def __init__(self, av: Any, container: Any, source: Any) -> None:
        self._av, self._decoder = av, source.codec_context
        layout = _SPEAKERS[min(self._decoder.channels or 2, 2) - 1]
        self._stream = container.add_stream(OPUS, rate=_RATE, layout=layout)
        self._stream.bit_rate = 64000 if layout == "mono" else 128000
        self._resampler = av.AudioResampler(format="s16", layout=layout, rate=_RATE)
        self._next = 0  # index of the next sample
        self._begun = False

    def packets(self, packet: Any) -> Iterator[Any]:
        """The packets to write for an av.Packet. Audio that cannot be decoded is left out."""
        try:
            frames = packet.decode()
        except self._av.error.InvalidDataError:
            return
        for frame in frames:
            for piece in self._resampler.resample(frame):
                at = None if frame.time is None else round(frame.time * _RATE)
                if at is not None and (not self._begun or at > self._next + _RATE // 10):  # a gap in the audio
                    self._next, self._begun = at, True
                piece.pts, piece.time_base = self._next, Fraction(1, _RATE)
                self._next += piece.samples
                yield from self._stream.encode(piece)

    def rest(self) -> Iterator[Any]:
        """The remaining packets, at the end."""
        yield from self._stream.encode(None)
