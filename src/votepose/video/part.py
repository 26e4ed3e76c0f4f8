"""Selects frames of a video: from a start to an end, and every nth of them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from votepose.errors import VoteposeError


@dataclass(frozen=True)
class Part:
    """A selection of a video's frames.

    Attributes:
        every: selects the first frame from `start` on, and every nth after it.
        start, end: seconds from the video's first frame; `end` is exclusive, and None is the end of the video.
    """

    every: int = 1
    start: float = 0.0
    end: float | None = None

    @property
    def whole(self) -> bool:
        """Whether all frames are selected."""
        return self == Part()

    def is_over(self, time: float) -> bool:
        """Whether no frame at `time` seconds or later is selected."""
        return self.end is not None and time >= self.end

    def frames(self, count: int | None, rate: Fraction) -> int | None:
        """Approximate number of selected frames in a video with `count` frames at `rate` per second; None if
        unknown."""
        end = None if self.end is None else math.ceil(self.end * rate)
        if count is None and end is None:
            return None
        last = min(number for number in (count, end) if number is not None)
        return max(0, math.ceil((last - math.ceil(self.start * rate)) / self.every))


def parse_time(text: str, option: str) -> float:
    """Parse a time such as "90", "1:30" or "1:02:03.5" to seconds.

    Raises:
        VoteposeError: if it is not a time; the message names the `option`.
    """
    if not re.fullmatch(r"(?:\d+:[0-5]?\d:[0-5]?\d|\d+:[0-5]?\d|\d+)(?:\.\d+)?", text, re.ASCII):
        raise VoteposeError(f"{option} {text}: should be seconds, m:ss or h:mm:ss, such as 90, 1:30 or 0:01:30.5")
    seconds = Fraction(0)
    for piece in text.split(":"):
        seconds = 60 * seconds + Fraction(piece)
    return float(seconds)
