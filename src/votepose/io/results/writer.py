"""Writes a run's results in one of the formats, with a note of the settings."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from votepose.errors import VoteposeError
from votepose.io.files import save_text
from votepose.io.results.coco import CocoAnnotationsWriter, CocoWriter
from votepose.io.results.jsonl import RecordsWriter
from votepose.io.results.tables import CsvWriter, ParquetWriter
from votepose.io.settings import read_note, require_same_settings
from votepose.poses import Poses
from votepose.skeleton import Skeleton

Format = Literal["records", "coco", "coco-annotations", "csv", "parquet"]


class Results:
    """A context manager that writes a run's results, and `run.json`, which records the settings.

    Args:
        form: records: poses.jsonl. coco: results.json and images.json. coco-annotations: annotations.json and
            images.json. csv: poses.csv. parquet: poses.parquet.
        folder: an existing folder, see `prepare_folder`.
        skeleton: skeleton of the poses.
        names: names of all images that will be written.
        settings: the settings that the results depend on, JSON-able.
        resume: whether to continue the results of an earlier run with the same settings in the folder.

    Attributes:
        done: names of the images and videos that the earlier run finished.

    Raises:
        VoteposeError: if the earlier results were made with other settings, or this format cannot be resumed or needs
            a package that is not installed.
    """

    def __init__(
        self,
        form: Format,
        folder: Path,
        skeleton: Skeleton,
        names: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
        resume: bool = False,
    ) -> None:
        self._writer = _open(form, folder, skeleton, names)
        self._note = folder / "run.json"
        self._new_note = folder / "run.json.partial"  # becomes the note when the results are complete
        self._settings = {"format": form, **(settings or {})}
        self._unfinished: str | None = None
        self.path = self._writer.path
        self._earlier = self._read_note() if resume else None
        self.done: frozenset[str] = frozenset()

    def __enter__(self) -> Self:
        if self._earlier is not None and isinstance(self._writer, RecordsWriter | CocoWriter):
            self._writer.resume(self._earlier or None)
            self.done = frozenset(self._writer.done)
        else:
            self._writer.begin()
        self._write_note()
        return self

    def write(self, name: str, poses: Poses, frame: int | None = None, time: float | None = None) -> None:
        """Add the image `name`, or a frame of the video `name`. Raises OSError if it cannot be written."""
        self._writer.write(name, poses, frame, time)

    def write_error(self, name: str, reason: str) -> None:
        """Add an input that could not be read, in records only; `resume` tries it again."""
        if isinstance(self._writer, RecordsWriter):
            self._writer.write_error(name, reason)

    @contextlib.contextmanager
    def video(self, name: str) -> Iterator[None]:
        """Wraps the frames of a video: if Ctrl-C ends the block, `resume` restarts the video."""
        self._unfinished = name
        self._write_note()
        try:
            yield
        except VoteposeError:  # a damaged video has no more frames than those read so far
            self._finished()
            raise
        self._finished()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # A run that failed before its first image must not replace an earlier run's results.
        if self._writer.empty and kind is not None:
            self._writer.discard()
            self._new_note.unlink(missing_ok=True)
            return
        self._writer.close()
        os.replace(self._new_note, self._note)

    def _read_note(self) -> str | None:
        """The video that the earlier run left unfinished, or ""; None if there was no earlier run."""
        if not isinstance(self._writer, RecordsWriter | CocoWriter):
            raise VoteposeError(
                "--resume needs --format records, coco or coco-annotations: tables do not list images without people"
            )
        found = [path for path in (self._new_note, self._note) if path.exists()]
        if not found:
            if self.path.exists():
                raise VoteposeError(f"{self.path}: cannot be resumed without run.json beside it; {_ELSE}")
            return None
        note = read_note(found[0].read_bytes(), found[0], _ELSE)
        require_same_settings(note.get("settings"), self._settings, f"{self.path}: was", _ELSE)
        return str(note.get("unfinished") or "")

    def _finished(self) -> None:
        self._unfinished = None
        self._write_note()

    def _write_note(self) -> None:
        note = {"settings": self._settings, "unfinished": self._unfinished}
        save_text(json.dumps(note) + "\n", self._new_note)


_ELSE = "leave out --resume to replace it, or choose another --out"


def _open(
    form: Format, folder: Path, skeleton: Skeleton, names: Sequence[str]
) -> RecordsWriter | CocoWriter | CsvWriter | ParquetWriter:
    if form == "coco":
        return CocoWriter(folder, skeleton, names)
    if form == "coco-annotations":
        return CocoAnnotationsWriter(folder, skeleton, names)
    if form == "csv":
        return CsvWriter(folder, skeleton)
    if form == "parquet":
        return ParquetWriter(folder, skeleton)
    return RecordsWriter(folder)
