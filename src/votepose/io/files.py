"""The folder of results, and the drawn pictures in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from votepose.errors import VoteposeError
from votepose.io.inputs import Input, result_names

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")  # in which drawings are saved
VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm")


def prepare_folder(folder: Path) -> None:
    """Make `folder` and try to write in it, before any work starts. Raises VoteposeError if that cannot be."""
    probe = folder / f".votepose-{os.getpid()}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except (FileExistsError, NotADirectoryError):
        raise VoteposeError(f"{folder}: is or lies in a file, not a folder; choose another --out") from None
    except OSError as error:
        raise VoteposeError(f"{folder}: cannot be written to ({error.strerror}); choose another --out") from None


def picture_paths(inputs: Sequence[Input], folder: Path) -> list[Path]:
    """Where the drawings of the inputs go: the same relative names in `folder`, each of its own.

    Nothing is ever drawn over an input. An image that is neither JPEG, PNG nor WebP is drawn as PNG. A video's drawing
    is an .mp4, or the same with another suffix of `VIDEO_SUFFIXES`: none of them is another's.
    """
    taken = {os.path.abspath(one.path).casefold() for one in inputs}
    chosen = []
    for one, name in zip(inputs, result_names(inputs), strict=True):
        suffix = name.suffix if name.suffix.lower() in IMAGE_SUFFIXES else f"{name.suffix}.png"
        if one.moving:
            suffix = VIDEO_SUFFIXES[0]
        stem, copy = name.name.removesuffix(name.suffix), 1
        target = folder / name.with_name(stem + suffix)
        while taken & (keys := _keys(target)):
            copy += 1
            target = folder / name.with_name(f"{stem}-{copy}{suffix}")
        taken |= keys
        chosen.append(target)
    return chosen


def _keys(target: Path) -> set[str]:
    """What a drawing at `target` may be called, as file systems compare it."""
    suffixes = VIDEO_SUFFIXES if target.suffix in VIDEO_SUFFIXES else [target.suffix]
    return {os.path.abspath(target.with_suffix(suffix)).casefold() for suffix in suffixes}


def save_text(text: str, path: Path) -> None:
    """Save as UTF-8, whole or not at all. Raises OSError if it cannot be written."""
    partial = path.with_name(f".votepose-{os.getpid()}-{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def save_picture(picture: Image.Image, path: Path) -> None:
    """Save as `path`'s suffix says, whole or not at all; makes the folder. Raises OSError if it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".votepose-{os.getpid()}.partial{path.suffix}")
    try:
        picture.save(partial, quality=92)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
