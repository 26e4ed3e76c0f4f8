"""Names of drawings and other results: unique, and never those of inputs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from votepose.errors import VoteposeError
from votepose.io.files import DRAWING_SUFFIXES
from votepose.io.inputs import Input, result_names

DRAWN_VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm")


def picture_paths(inputs: Sequence[Input], folder: Path) -> list[Path]:
    """Paths of the inputs' drawings: the same relative names in `folder`, made unique.

    A drawing never replaces an input. Formats other than JPEG, PNG and WebP are drawn as PNG. A drawn video is named
    .mp4 here, but may be written with any suffix of `DRAWN_VIDEO_SUFFIXES`: all of these names are reserved for it.
    """
    taken = {os.path.abspath(one.path).casefold() for one in inputs}
    chosen = []
    for one, name in zip(inputs, result_names(inputs), strict=True):
        suffix = name.suffix if name.suffix.lower() in DRAWING_SUFFIXES else f"{name.suffix}.png"
        if one.moving:
            suffix = DRAWN_VIDEO_SUFFIXES[0]
        stem, copy = name.name.removesuffix(name.suffix), 1
        target = folder / name.with_name(stem + suffix)
        while taken & (keys := _keys(target)):
            copy += 1
            target = folder / name.with_name(f"{stem}-{copy}{suffix}")
        taken |= keys
        chosen.append(target)
    return chosen


def result_stems(inputs: Sequence[Input]) -> list[Path]:
    """Unique relative names for inputs with several results each, without suffix if possible."""
    names = result_names(inputs)
    counts = Counter(_folded(name.with_suffix("")) for name in names)
    taken: set[str] = set()
    chosen = []
    for name in names:
        stem = first = name.with_suffix("") if counts[_folded(name.with_suffix(""))] == 1 else name
        copy = 1
        while _folded(stem) in taken:
            copy += 1
            stem = first.with_name(f"{first.name}-{copy}")
        taken.add(_folded(stem))
        chosen.append(stem)
    return chosen


def require_apart(inputs: Sequence[Input], folder: Path, option: str) -> None:
    """Raise VoteposeError if an input lies in the output `folder`, where it might be replaced."""
    for one in inputs:
        if one.is_file and one.path.resolve().is_relative_to(folder.resolve()):
            raise VoteposeError(f"{one.label}: lies in the output folder {folder}; choose another {option}")


def _folded(path: Path) -> str:
    """A canonical name, since some file systems ignore case."""
    return str(path).casefold()


def _keys(target: Path) -> set[str]:
    """All names that a drawing at `target` may get, in lower case, since some file systems ignore case."""
    suffixes = DRAWN_VIDEO_SUFFIXES if target.suffix in DRAWN_VIDEO_SUFFIXES else [target.suffix]
    return {os.path.abspath(target.with_suffix(suffix)).casefold() for suffix in suffixes}
