"""JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from votepose.io.appendable import GrowingFile
from votepose.poses import Poses


class RecordsWriter:
    """`poses.jsonl`: one JSON object per line, for each image or frame, as of `Poses.to_record`.

    A record of a video's frame has `frame`, counted from 0, and `time`, in seconds since the first, after `image`.

    Args:
        folder: must exist, see `prepare_folder`.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "poses.jsonl"
        self.done: set[str] = set()
        self._lines = GrowingFile(self.path)

    @property
    def empty(self) -> bool:
        """Whether nothing was written yet."""
        return not self._lines.entries

    def begin(self) -> None:
        """Start empty."""
        self._lines.begin()

    def resume(self, unfinished: str | None) -> None:
        """Start with an earlier run's records, except of the video `unfinished`; `done` names their images."""

        def keep(record: dict[str, Any]) -> bool:
            if record.get("image") == unfinished or "people" not in record:
                return False
            self.done.add(str(record["image"]))
            return True

        self._lines.resume(keep)

    def write(self, name: str, poses: Poses, frame: int | None = None, time: float | None = None) -> None:
        """Add an image, or a video's frame. Raises OSError if it cannot be written."""
        record = poses.to_record(name)
        if frame is not None and time is not None:
            record = {"image": record.pop("image"), "frame": frame, "time": round(time, 4), **record}
        self._lines.append(json.dumps(record))

    def close(self) -> None:
        """Finish the file."""
        self._lines.close()

    def discard(self) -> None:
        """Leave earlier results as they were."""
        self._lines.discard()
