"""The output folder, the names of drawings, and atomic writes: a file appears complete or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from votepose.errors import VoteposeError
from votepose.io.inputs import Input, result_names

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")  # formats of drawings
VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm")


def prepare_folder(folder: Path, option: str = "--out") -> None:
    """Create `folder` and check that it is writable, before any work starts.

    Raises:
        VoteposeError: if that fails; the message suggests another `option`.
    """
    probe = temporary_beside(folder / "probe")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except (FileExistsError, NotADirectoryError):
        raise VoteposeError(f"{folder}: is a file or lies in one; choose another {option}") from None
    except OSError as error:
        raise VoteposeError(f"{folder}: cannot be written to ({error.strerror}); choose another {option}") from None


def picture_paths(inputs: Sequence[Input], folder: Path) -> list[Path]:
    """Paths of the inputs' drawings: the same relative names in `folder`, made unique.

    A drawing never replaces an input. Formats other than JPEG, PNG and WebP are drawn as PNG. A drawn video is named
    .mp4 here, but may be written with any suffix of `VIDEO_SUFFIXES`: all of these names are reserved for it.
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
    suffixes = VIDEO_SUFFIXES if target.suffix in VIDEO_SUFFIXES else [target.suffix]
    return {os.path.abspath(target.with_suffix(suffix)).casefold() for suffix in suffixes}


def temporary_beside(path: Path) -> Path:
    """A new hidden path with the same folder and suffix; searches for inputs skip hidden files."""
    return path.with_name(f".votepose-{uuid.uuid4().hex[:12]}.partial{path.suffix}")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file or folder atomically.

    Yields:
        A path beside `path` to write to. When the block ends it is renamed to `path` (a file replaces an existing file,
        a folder only an empty one). If the block raises, it is removed and `path` is unchanged.

    Raises:
        OSError: if it cannot be renamed.
    """
    temporary = temporary_beside(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


def save_text(text: str, path: Path) -> None:
    """Save as UTF-8, atomically. Raises OSError if it cannot be written."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def save_picture(picture: Image.Image, path: Path) -> None:
    """Save in the format of `path`'s suffix, atomically; creates the folder. Raises OSError if it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        picture.save(temporary, quality=92)
