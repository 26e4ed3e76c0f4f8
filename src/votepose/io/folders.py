"""Searches folders for images and videos, and reports what is left out and why."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from votepose.errors import one_line
from votepose.io.media import CAMERA_RAW, Medium, medium_of_file
from votepose.utils.wording import counted


@dataclass
class LeftOut:
    """What a search left out.

    Attributes:
        others: number of files that are neither images nor videos, by suffix.
        raw: number of camera raw files.
        videos: number of videos, if only images are wanted.
        subfolders: number of subfolders that were not searched.
        troubles: one line per entry that cannot be read.
    """

    others: Counter[str] = field(default_factory=Counter)
    raw: int = 0
    videos: int = 0
    subfolders: int = 0
    troubles: list[str] = field(default_factory=list)

    def line(self) -> str:
        """A summary in one line; empty if nothing was left out."""
        suffixes = ", ".join(suffix or "no suffix" for suffix, _ in self.others.most_common(5))
        more = ", …" if len(self.others) > 5 else ""
        kinds = [
            (self.others.total(), "file", f"neither an image nor a video ({suffixes}{more})"),
            (self.raw, "camera raw file", "convert to JPEG"),
            (self.videos, "video", "only images are processed here"),
            (self.subfolders, "subfolder", "not searched without --recursive"),
        ]
        parts = [f"{counted(number, what)}: {why}" for number, what, why in kinds if number]
        parts += self.troubles[:3] + ([f"{len(self.troubles) - 3} more"] if len(self.troubles) > 3 else [])
        return "; ".join(parts)


def search(
    folder: Path, recursive: bool, exclude: Path | None, left_out: LeftOut, videos: bool = True
) -> list[tuple[Path, Medium]]:
    """The images and videos in a folder, in natural order (2 before 10); hidden ones are skipped.

    Args:
        folder: the folder to search.
        recursive: whether to search subfolders too.
        exclude: a folder to skip if it lies in this one.
        left_out: is updated with what is left out.
        videos: whether to include videos.
    """
    inner = exclude.resolve() if exclude and folder.resolve() in exclude.resolve().parents else None
    found = []
    for path in sorted(_files(folder, recursive, inner, left_out), key=natural_key):
        medium = medium_of_file(path)
        if medium is None and path.suffix.lower() in CAMERA_RAW:
            left_out.raw += 1
        elif medium is None:
            left_out.others[path.suffix.lower()] += 1
        elif medium == "video" and not videos:
            left_out.videos += 1
        else:
            found.append((path, medium))
    return found


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key that puts img2 before img10."""
    pieces = re.split(r"([0-9]+)", str(path).casefold())
    return [(0, int(piece), "") if k % 2 else (1, 0, piece) for k, piece in enumerate(pieces)]


def _files(folder: Path, recursive: bool, inner: Path | None, left_out: LeftOut) -> Iterator[Path]:
    try:
        with os.scandir(folder) as scan:
            entries = [entry for entry in scan if not entry.name.startswith(".")]
    except OSError as error:
        left_out.troubles.append(f"{folder}: cannot be searched ({error.strerror or one_line(error)})")
        return
    for entry in entries:
        path = Path(folder, entry.name)
        if entry.is_dir():
            if inner == path.resolve():
                continue
            if not recursive:
                left_out.subfolders += 1
            elif entry.is_symlink():  # may be a cycle
                left_out.troubles.append(f"{path}: is a link to a folder; links are not followed")
            else:
                yield from _files(path, recursive, inner, left_out)
        elif entry.is_file():
            yield path
        else:
            what = "is a broken link" if entry.is_symlink() else "is neither a file nor a folder"
            left_out.troubles.append(f"{path}: {what}")
