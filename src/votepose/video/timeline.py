"""Continuous times for videos whose time stamps are not: they begin anew, leap, wrap around or repeat.

A camera that reconnects and transport streams put together count from another origin in the middle of a file. As
FFmpeg's own tools do, a jump is found in the decoding times, which never go back in a sound stream, and the stamps
after it are shifted so that the stream continues.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

_LEAP = Fraction(
    10
)  # seconds without a packet that are a jump where formats allow jumps (FFmpeg's dts_delta_threshold)
_LONG_LEAP = Fraction(600)  # in other formats, where a gap of minutes may be meant
_LEAP_STEPS = 10  # packets' durations that are a jump at least
_SAME_JUMP = Fraction(1)  # seconds by which the streams of a file may disagree about a jump


class Timeline:
    """Shifts the time stamps of all streams of a video: `timeline.correct(packet)`, in the order of the file.

    Args:
        may_jump: whether the format's time stamps are known to jump, as in transport streams and live ones.

    Attributes:
        jumps: how often they jumped so far.
    """

    def __init__(self, may_jump: bool) -> None:
        self._leap = _LEAP if may_jump else _LONG_LEAP
        self._shift = Fraction(0)  # seconds, after the latest jump
        self._streams: dict[int, tuple[Fraction, Fraction, Fraction]] = {}  # shift, last time, time to the next packet
        self.jumps = 0

    def correct(self, packet: Any) -> None:
        """Shift the stamps of an av.Packet so that its stream continues."""
        tick, index = packet.time_base, packet.stream.index
        if packet.dts is None:  # the flush at the end, or a stream without decoding times
            shift = self._streams.get(index, (self._shift,))[0]
        else:
            stamp = packet.dts * tick
            shift, last, step = self._streams.get(index, (self._shift, stamp + self._shift, Fraction(0)))
            passed, said = stamp + shift - last, (packet.duration or 0) * tick
            ahead = passed > max(self._leap, _LEAP_STEPS * max(step, said)) and not self._others_near(
                index, last + passed
            )
            if passed < -step or ahead:
                shift = self._shift_after_jump(shift, stamp, last + step)
            elif passed > 0:
                step = passed
            self._streams[index] = shift, stamp + shift, said or step
        ticks = round(shift / tick)
        packet.pts, packet.dts = (None if at is None else at + ticks for at in (packet.pts, packet.dts))

    def _others_near(self, index: int, time: Fraction) -> bool:
        """Whether another stream has come to that time: then this one has a gap, such as silence."""
        return any(abs(time - last) < self._leap for k, (_, last, _) in self._streams.items() if k != index)

    def _shift_after_jump(self, shift: Fraction, stamp: Fraction, due: Fraction) -> Fraction:
        """The other streams' shift, if they have jumped already, so that sound and image stay together."""
        if shift == self._shift or abs(stamp + self._shift - due) > _SAME_JUMP:
            self._shift = due - stamp
            self.jumps += 1
        return self._shift


class FrameClock:
    """The time of each frame in seconds since the first one, always later than the frame's before.

    Args:
        interval: between frames, in seconds, where time stamps are missing or repeat.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._stamp = self._time = self.origin = 0.0
        self._frames = 0

    def __call__(self, stamp: float | None) -> float:
        """The time of the next frame, whose time stamp is `stamp` seconds; None if it has none."""
        if not self._frames:
            self.origin = stamp or 0.0
        stamp = self.origin + self._frames * self._interval if stamp is None else stamp
        time = stamp - self.origin
        if self._frames and time <= self._time:
            # A stamp that repeats stands for the next frame; after it, time runs slower until the stamps are ahead.
            time = self._time + self._interval * (1.0 if stamp == self._stamp else 0.5)
        self._stamp, self._time = stamp, time
        self._frames += 1
        return time
