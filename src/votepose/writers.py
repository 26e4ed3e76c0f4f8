"""What `votepose predict` leaves behind: records, COCO results and drawn pictures, whole at every moment.

Every file grows under another name and gets its own only when it is complete, so a reader never meets half a file.
A run that is stopped (Ctrl-C, an error) keeps the images it had done.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from PIL import Image

from votepose.errors import VoteposeError
from votepose.poses import Poses
from votepose.skeleton import Skeleton
from votepose.sources import relative_names

Format = Literal["records", "coco"]


class _GrowingFile:
    """A text file that grows as `path`.partial, an entry at a time, and becomes `path` at the end."""

    def __init__(self, path: Path, head: str = "", separator: str = "", tail: str = "") -> None:
        self.path = path
        self._partial = path.with_name(path.name + ".partial")
        self._separator, self._tail = separator.encode(), tail.encode()
        self._file = open(self._partial, "wb", buffering=0)  # noqa: SIM115  (closed by `close`)
        self.entries = 0
        self._whole = 0  # bytes of complete entries
        self._append(head.encode())

    def append(self, entry: str) -> None:
        self._append((self._separator if self.entries else b"") + entry.encode())
        self.entries += 1

    def close(self) -> None:
        self._file.truncate(self._whole)  # an entry that was cut short by a full disk or Ctrl-C goes
        self._append(self._tail)
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._partial, self.path)

    def discard(self) -> None:
        self._file.close()
        self._partial.unlink()

    def _append(self, data: bytes) -> None:
        self._file.seek(self._whole)
        if self._file.write(data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._partial))
        self._whole += len(data)


class RecordsWriter:
    """`poses.jsonl`: one JSON record an image and line, as `Poses.to_record` gives it. A context manager.

    Args:
        folder: must be there, see `prepare_folder`.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "poses.jsonl"

    def __enter__(self) -> Self:
        self._lines = _GrowingFile(self.path)
        return self

    def write(self, path: Path, poses: Poses) -> None:
        """Add the image at `path`."""
        self._lines.append(json.dumps(poses.to_record(str(path))) + "\n")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # A run that failed before its first image must not replace what an earlier one left.
        self._lines.close() if self._lines.entries or kind is None else self._lines.discard()


class CocoWriter:
    """`results.json`, COCO keypoint results, and `images.json`, whose `images` tell which id is which file.

    Args:
        folder: must be there, see `prepare_folder`.
        paths: all images that will be written. The image ids are the files' stems where all are different integers (as
            COCO's are), else 1, 2, … in this order.
        skeleton: named in `images.json`.
    """

    def __init__(self, folder: Path, paths: Sequence[Path], skeleton: Skeleton) -> None:
        self.path = folder / "results.json"
        self.image_ids = image_ids(paths)
        self._images: list[dict[str, Any]] = []
        self._skeleton = skeleton

    def __enter__(self) -> Self:
        self._people = _GrowingFile(self.path, "[\n", ",\n", "\n]\n")
        return self

    def write(self, path: Path, poses: Poses) -> None:
        """Add the image at `path`."""
        width, height = poses.image_size
        number = self.image_ids[path]
        for person in poses.to_coco(number):
            self._people.append(json.dumps(person))
        self._images.append({"id": number, "file_name": str(path), "width": width, "height": height})

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if not self._images and kind is not None:
            return self._people.discard()
        self._people.close()
        listing = _GrowingFile(self.path.with_name("images.json"))
        listing.append(json.dumps({"images": self._images, "categories": [self._skeleton.to_coco_category()]}) + "\n")
        listing.close()


def open_writer(form: Format, folder: Path, paths: Sequence[Path], skeleton: Skeleton) -> RecordsWriter | CocoWriter:
    """The writer of a `--format`; see the two classes."""
    return CocoWriter(folder, paths, skeleton) if form == "coco" else RecordsWriter(folder)


def image_ids(paths: Sequence[Path]) -> dict[Path, int]:
    """COCO image ids: the stems where all are different integers, else 1, 2, …"""
    stems = [path.stem for path in paths]
    numbers = {int(stem) for stem in stems if stem.isascii() and stem.isdecimal()}
    named = len(numbers) == len(stems)
    return {path: int(path.stem) if named else place for place, path in enumerate(paths, start=1)}


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


def picture_paths(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Where the drawings of the images at `paths` go: the same relative names in `folder`, each of its own.

    Nothing is ever drawn over an input. What is neither JPEG, PNG nor WebP is drawn as PNG.
    """
    taken = {os.path.abspath(path).casefold() for path in paths}
    chosen = []
    for name in relative_names(paths):
        suffix = name.suffix if name.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp") else f"{name.suffix}.png"
        target, copy = folder / name.with_suffix(suffix), 1
        while (key := os.path.abspath(target).casefold()) in taken:
            copy += 1
            target = folder / name.with_name(f"{name.stem}-{copy}{suffix}")
        taken.add(key)
        chosen.append(target)
    return chosen


def save_picture(picture: Image.Image, path: Path) -> None:
    """Save as `path`'s suffix says, whole or not at all; makes the folder. Raises OSError if it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".votepose-{os.getpid()}.partial{path.suffix}")
    try:
        picture.save(partial, quality=92)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
