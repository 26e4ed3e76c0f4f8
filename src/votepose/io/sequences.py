"""Image sequences: images that are the frames of one video, such as `frame_%06d.png` or a folder."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path

Frames = tuple[tuple[int, str], ...]  # frame number, from 0, and path

_NUMBER = re.compile(r"%0?(\d*)d")


def numbered_frames(pattern: str) -> Frames:
    """The images that match a pattern with one C-style number, as in FFmpeg and Blender: `%d`, `%6d` or `%06d`.

    A gap in the numbers is a missing frame. Empty if the text is not such a pattern, names a file, or matches nothing.
    """
    if len(found := list(_NUMBER.finditer(pattern))) != 1 or "://" in pattern or os.path.exists(pattern):
        return ()
    before, after = pattern[: found[0].start()], pattern[found[0].end() :]
    digits = int(found[0].group(1) or 1)
    numbers = {}
    for path in glob.glob(f"{glob.escape(before)}*{glob.escape(after)}"):
        number = path[len(before) : len(path) - len(after)]
        if re.fullmatch(r"\d+", number, re.ASCII) and (
            len(number) == digits or (len(number) > digits and number[0] != "0")
        ):
            numbers[int(number)] = path
    first = min(numbers, default=0)
    return tuple((number - first, numbers[number]) for number in sorted(numbers))


def consecutive(paths: Iterable[str]) -> Frames:
    """Frames for images, numbered without gaps."""
    return tuple(enumerate(paths))


def sequence_path(name: str) -> Path:
    """A path without the number, used to name the results of a sequence."""
    path = Path(name)
    stem = _NUMBER.sub("", path.stem).strip(" _-.")
    return path.with_name((stem or "frames") + path.suffix) if _NUMBER.search(path.name) else path
