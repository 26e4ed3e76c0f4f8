"""Writes tables with one row per person, as CSV or Parquet, with the same columns.

| column | |
|---|---|
| image | path or URL |
| frame, time | frame number, from 0, and seconds since the first frame; empty for images |
| width, height | size of the image, in pixels |
| person | 0, 1, … within the image or frame, best first |
| id | the person's id over the frames of a video; empty if not tracked |
| score | in [0, 1] |
| x1, y1, x2, y2 | bounding box of the keypoints, in pixels |
| NAME_x, NAME_y | position of each keypoint, in pixels |
| NAME_confidence | confidence of each keypoint, in [0, 1] |
| NAME_seen | 1 if seen, 0 if inferred (Parquet: true, false) |

An image without people has no row.
"""

from __future__ import annotations

import csv
import importlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from votepose.errors import VoteposeError, installing
from votepose.io.appendable import GrowingFile
from votepose.poses import Poses
from votepose.skeleton import Skeleton

_FIXED = {
    "image": "string",
    "frame": "int64",
    "time": "float64",
    "width": "int32",
    "height": "int32",
    "person": "int32",
    "id": "int64",
    "score": "float32",
    "x1": "float32",
    "y1": "float32",
    "x2": "float32",
    "y2": "float32",
}
_OF_KEYPOINT = {"x": "float32", "y": "float32", "confidence": "float32", "seen": "bool"}
_ROWS = 4096  # per Parquet row group


def columns(skeleton: Skeleton) -> dict[str, str]:
    """Names and types of the columns, in order."""
    return _FIXED | {f"{name}_{key}": kind for name in skeleton.names for key, kind in _OF_KEYPOINT.items()}


def rows(name: str, poses: Poses, frame: int | None, time: float | None) -> Iterator[list[Any]]:
    """One row per person, in the order of `columns`."""
    for k, pose in enumerate(poses):
        when = None if time is None else round(time, 4)
        row: list[Any] = [name, frame, when, *poses.image_size, k, pose.id, round(pose.score, 4)]
        row += [round(v, 2) for v in pose.box.tolist()]
        for (x, y), c, seen in zip(pose.keypoints.tolist(), pose.confidences.tolist(), pose.seen, strict=True):
            row += [round(x, 2), round(y, 2), round(c, 4), bool(seen)]
        yield row


class CsvWriter:
    """`poses.csv`: UTF-8, comma-separated, with a header; the module's docstring lists the columns.

    Args:
        folder: an existing folder, see `prepare_folder`.
        skeleton: the skeleton, whose keypoint names become columns.
    """

    def __init__(self, folder: Path, skeleton: Skeleton) -> None:
        self.path = folder / "poses.csv"
        self._header = csv_line(list(columns(skeleton)))
        self._lines = GrowingFile(self.path)
        self.empty = True

    def begin(self) -> None:
        """Start with the header."""
        self._lines.begin()
        self._lines.append(self._header)

    def write(self, name: str, poses: Poses, frame: int | None = None, time: float | None = None) -> None:
        """Add an image's people, all or none. Raises OSError if they cannot be written."""
        people = [[int(v) if isinstance(v, bool) else v for v in row] for row in rows(name, poses, frame, time)]
        if people:
            self._lines.append("\n".join(map(csv_line, people)))
        self.empty = False

    def close(self) -> None:
        """Finish the file."""
        self._lines.close()

    def discard(self) -> None:
        """Delete what was written, and keep earlier results."""
        self._lines.discard()


class ParquetWriter:
    """`poses.parquet`, written by pyarrow; the module's docstring lists the columns.

    Args:
        folder: an existing folder, see `prepare_folder`.
        skeleton: the skeleton, whose keypoint names become columns.

    Raises:
        VoteposeError: if pyarrow is not installed.
    """

    def __init__(self, folder: Path, skeleton: Skeleton) -> None:
        try:
            self._arrow, self._parquet = (importlib.import_module(f"pyarrow{part}") for part in ("", ".parquet"))
        except ModuleNotFoundError:
            message = f"--format parquet needs pyarrow, which is not installed: {installing('parquet')}"
            raise VoteposeError(message) from None
        self.path = folder / "poses.parquet"
        self._partial = self.path.with_name(self.path.name + ".partial")
        kinds = columns(skeleton).items()
        self._schema = self._arrow.schema([(name, self._arrow.type_for_alias(kind)) for name, kind in kinds])
        self._waiting: list[list[Any]] = []
        self.empty = True

    def begin(self) -> None:
        """Start empty."""
        self._file = self._parquet.ParquetWriter(self._partial, self._schema, compression="zstd")

    def write(self, name: str, poses: Poses, frame: int | None = None, time: float | None = None) -> None:
        """Add an image's people. Raises OSError if they cannot be written."""
        text = os.fsencode(name).decode("utf-8", "backslashreplace")  # file names can be invalid text
        self._waiting += rows(text, poses, frame, time)
        self.empty = False
        if len(self._waiting) >= _ROWS:
            self._flush()

    def close(self) -> None:
        """Finish the file."""
        try:
            self._flush()
            self._file.close()
            os.replace(self._partial, self.path)
        finally:
            self._partial.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete what was written, and keep earlier results."""
        self._file.close()
        self._partial.unlink(missing_ok=True)

    def _flush(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            arrays = [
                self._arrow.array(c, f.type) for c, f in zip(zip(*waiting, strict=True), self._schema, strict=True)
            ]
            self._file.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))


def csv_line(cells: list[Any]) -> str:
    """A row of a CSV file, without the line break; None is an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
