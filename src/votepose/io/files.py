"""The output folder, and atomic writes: a file appears complete or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from votepose.errors import VoteposeError

DRAWING_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")  # formats of `save_picture`


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
