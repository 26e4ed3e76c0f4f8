"""Makes time stamps continuous in videos where they restart, jump, wrap around or repeat.

When a camera reconnects or transport streams are concatenated, the time origin changes in the middle of a file. As in
FFmpeg's tools, a jump is detected in the decoding times, which never decrease in a valid stream, and later stamps are
shifted so that the stream continues.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

_LEAP = Fraction(10)  # gap in seconds that counts as a jump in formats that allow jumps (FFmpeg's dts_delta_threshold)
_LONG_LEAP = Fraction(600)  # in other formats, where a gap of minutes may be intended
_LEAP_STEPS = 10  # minimum jump, in packet durations
_DIGITS = 9  # of a frame's time in seconds; a difference of floats has fewer, so that 0.92 would be a bit less
_SAME_JUMP = Fraction(1)  # seconds by which a file's streams may differ in a jump


class Timeline:
    """Shifts the time stamps of all streams of a video: `timeline.correct(packet)`, in the order of the file.

    Args:
        may_jump: whether time stamps in this format are known to jump, as in transport streams and live streams.

    Attributes:
        jumps: number of jumps so far.
    """

    def __init__(self, may_jump: bool) -> None:
        self._leap = _LEAP if may_jump else _LONG_LEAP
        self._shift = Fraction(0)  # in seconds, since the latest jump
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
        """Whether another stream has reached that time, so that this one has a gap rather than a jump."""
        return any(abs(time - last) < self._leap for k, (_, last, _) in self._streams.items() if k != index)

    def _shift_after_jump(self, shift: Fraction, stamp: Fraction, due: Fraction) -> Fraction:
        """The other streams' shift if they have jumped already, so that audio and video stay in sync."""
        if shift == self._shift or abs(stamp + self._shift - due) > _SAME_JUMP:
            self._shift = due - stamp
            self.jumps += 1
        return self._shift


class FrameClock:
    """Computes the time of each frame in seconds since the first one, strictly increasing.

    Args:
        interval: seconds between frames, used if time stamps are missing or repeat.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._stamp = self._time = self.origin = 0.0
        self._frames = 0

    def __call__(self, stamp: float | None) -> float:
        """The time of the next frame; `stamp` is its time stamp in seconds, or None."""
        if not self._frames:
            self.origin = stamp or 0.0
        stamp = self.origin + self._frames * self._interval if stamp is None else stamp
        time = round(stamp - self.origin, _DIGITS)
        if self._frames and time <= self._time:
            # After a repeated stamp, time advances more slowly until the stamps catch up.
            time = self._time + self._interval * (1.0 if stamp == self._stamp else 0.5)
        self._stamp, self._time = stamp, time
        self._frames += 1
        return time
