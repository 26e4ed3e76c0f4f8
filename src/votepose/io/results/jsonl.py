"""Writes JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from votepose.io.appendable import GrowingFile
from votepose.poses import Poses


class RecordsWriter:
    """`poses.jsonl`: one JSON object per line for each image or frame, as from `Poses.to_record`.

    The record of a video frame also has `frame`, counted from 0, and `time`, in seconds since the first frame. That
    of an input of which nothing could be read has `image` and `error` only.

    Args:
        folder: an existing folder, see `prepare_folder`.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "poses.jsonl"
        self.done: set[str] = set()
        self._lines = GrowingFile(self.path)
        self._errors = 0

    @property
    def empty(self) -> bool:
        """Whether no image has been written yet."""
        return self._lines.entries == self._errors

    def begin(self) -> None:
        """Start empty."""
        self._lines.begin()

    def resume(self, unfinished: str | None) -> None:
        """Start with an earlier run's records, except errors and those of the video `unfinished`; `done` names them."""

        def keep(record: dict[str, Any]) -> bool:
            if record.get("image") == unfinished or "people" not in record:
                return False
            self.done.add(str(record["image"]))
            return True

        self._lines.resume(keep)

    def write(self, name: str, poses: Poses, frame: int | None = None, time: float | None = None) -> None:
        """Add an image or video frame. Raises OSError if it cannot be written."""
        record = poses.to_record(name)
        if frame is not None and time is not None:
            record = {"image": record.pop("image"), "frame": frame, "time": round(time, 4), **record}
        self._lines.append(json.dumps(record))

    def write_error(self, name: str, reason: str) -> None:
        """Add an input that could not be read. Raises OSError if it cannot be written."""
        self._lines.append(json.dumps({"image": name, "error": reason}))
        self._errors += 1

    def close(self) -> None:
        """Finish the file."""
        self._lines.close()

    def discard(self) -> None:
        """Delete what was written, and keep earlier results."""
        self._lines.discard()
