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


def is_cut_short(av: Any, container: Any, reached: float) -> bool:
    """Whether the packets of an av.InputContainer ended, at `reached` seconds, long before the header's duration."""
    if container.duration is None or not set(container.format.name.split(",")) & _EXACT:
        return False
    end = container.duration / av.time_base
    return bool(end - reached > max(0.1 * end, 0.5))
