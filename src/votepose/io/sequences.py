"""Images that are the frames of one video: a numbered sequence such as `frame_%06d.png`, or a folder of them."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path

Frames = tuple[tuple[int, str], ...]  # number of the frame, from 0, and its path

_NUMBER = re.compile(r"%0?(\d*)d")


def numbered_frames(pattern: str) -> Frames:
    """The images of a pattern with one C-style number, as FFmpeg and Blender write it: `%d`, `%6d` or `%06d`.

    A missing number is a frame that is missing. Empty if the text is no such pattern, names a file, or matches nothing.
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
    """Images as frames without gaps."""
    return tuple(enumerate(paths))


def sequence_path(name: str) -> Path:
    """A path to name the results of a sequence after: without the number."""
    path = Path(name)
    stem = _NUMBER.sub("", path.stem).strip(" _-.")
    return path.with_name((stem or "frames") + path.suffix) if _NUMBER.search(path.name) else path
