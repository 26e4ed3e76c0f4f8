"""The summary that a run of `votepose predict` prints at its end."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from votepose.utils.wording import counted


@dataclass
class RunSummary:
    """What a run has done so far.

    Attributes:
        videos: whether all inputs are videos and live streams, which have frames only.
        realtime: whether frames may be dropped; the line then counts them even if none were.
        pictures, frames: number of images and video frames processed.
        people: number of people found.
        dropped: number of frames that were dropped.
        skipped: number of inputs that an earlier run finished.
        finished: number of inputs that this run finished.
        failures: one line per input that could not be read.
        notes: lines for the user, without duplicates.
    """

    videos: bool = False
    realtime: bool = False
    pictures: int = 0
    frames: int = 0
    people: int = 0
    dropped: int = 0
    skipped: int = 0
    finished: int = 0
    failures: list[str] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)

    def note(self, line: str) -> None:
        """Add a line to `notes`."""
        self.notes[line] = None

    def report(self, out: Path | str, total: int, seconds: float) -> None:
        """Print notes and failures to stderr and one line of counts to stdout.

        Args:
            out: folder of the results.
            total: number of inputs.
            seconds: duration of the run.
        """
        for line in (*self.notes, *self.failures):
            remark(line)
        left = total - self.finished - self.skipped - len(self.failures)
        processed = self.pictures + self.frames
        done = {what: number for what, number in (("image", self.pictures), ("frame", self.frames)) if number}
        done = done or {"frame" if self.videos else "image": 0}
        counts = [counted(number, what) for what, number in done.items()]
        counts += [counted(self.people, "person", "people")]
        counts += [f"{counted(self.dropped, 'frame')} dropped"] if self.dropped or self.realtime else []
        counts += [f"{self.skipped} done before"] if self.skipped else []
        counts += [f"{len(self.failures)} failed"] if self.failures else []
        counts += [f"{left} not done"] if left else []
        if processed:
            counts += [f"{1000 * seconds / processed:.0f} ms/{' or '.join(done)}"]
        print(f"{', '.join(counts)}; results in {out}")


def remark(line: str) -> None:
    """Print a line to stderr, prefixed with "votepose:"."""
    print(f"votepose: {line}", file=sys.stderr)
