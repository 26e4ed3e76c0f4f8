"""A video's duration according to its header, and a check for videos that are cut short."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

_EXACT = frozenset({"mov", "matroska", "avi"})  # formats whose header gives the exact duration


def frame_count(av: Any, container: Any, stream: Any, rate: Fraction) -> int | None:
    """The number of frames of a video stream according to the file; None if the file does not say."""
    if stream.frames:
        return int(stream.frames)
    seconds = None if container.duration is None else container.duration / av.time_base
    return max(1, round(seconds * rate)) if seconds and seconds > 0 else None


def expected_end(av: Any, container: Any, stream: Any) -> tuple[float, bool]:
    """The end of an av.InputContainer in seconds, according to its header, and whether it is the video stream's end.

    If it is not, any stream may be the one that ends then. The time is 0 if the header does not give it exactly.
    """
    if not set(container.format.name.split(",")) & _EXACT:
        return 0.0, False
    if stream.duration:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base), True
    return (container.duration or 0) / av.time_base, False


def is_cut_short(end: float, reached: float) -> bool:
    """Whether the last packet, at `reached` seconds, is far before the `end` given in the header."""
    return end - reached > max(0.1 * end, 0.5)
