"""How long a video is by its header, and whether it was read to its end."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

_EXACT = frozenset({"mov", "matroska", "avi"})  # formats whose header gives the duration; for others it is a guess


def frame_count(av: Any, container: Any, stream: Any, rate: Fraction) -> int | None:
    """The number of frames of an av.InputContainer's video stream, as the file says; None if it does not."""
    if stream.frames:
        return int(stream.frames)
    seconds = None if container.duration is None else container.duration / av.time_base
    return max(1, round(seconds * rate)) if seconds and seconds > 0 else None


def expected_end(av: Any, container: Any, stream: Any) -> tuple[float, bool]:
    """When an av.InputContainer should end, in seconds, as its header says, and whether this is the video stream's end.

    Otherwise any stream may be the one that lasts so long. The time is 0 if the header does not say it exactly.
    """
    if not set(container.format.name.split(",")) & _EXACT:
        return 0.0, False
    if stream.duration:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base), True
    return (container.duration or 0) / av.time_base, False


def is_cut_short(end: float, reached: float) -> bool:
    """Whether packets that end at `reached` seconds are far from the header's `end`."""
    return end - reached > max(0.1 * end, 0.5)
