"""A sink for joint angles over time: a table of all inputs, and a plot of each video."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
from array import array
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from votepose.errors import VoteposeError, installing
from votepose.io.appendable import GrowingFile
from votepose.io.files import save_picture
from votepose.io.results.tables import csv_line
from votepose.io.results.writer import Results
from votepose.outputs.angle_plot import Series, angle_plot
from votepose.outputs.joint_angles import Joints, joint_angles
from votepose.outputs.sink import Item, Prediction, Sink, Take

FOLDER = "angles"  # folder of the plots, in --out


class AngleTable(Sink):
    """Writes angles.csv, one row per person and image or frame, and angles/NAME.png for each video file.

    The columns are image, frame, time, person (from 0, best first), id, and each angle in degrees, empty if unknown;
    frame, time and id are empty for images.

    Args:
        folder: an existing folder.
        angles: angles from `choose_angles`.
        results: results of the run, entered before this sink. Rows of inputs that are done are kept.

    Raises:
        VoteposeError: if matplotlib is not installed.
    """

    def __init__(self, folder: Path, angles: dict[str, Joints], results: Results) -> None:
        if importlib.util.find_spec("matplotlib") is None:
            message = f"--angles needs matplotlib, which is not installed: {installing('plot')}"
            raise VoteposeError(message)
        self._folder, self._angles, self._results = folder, angles, results
        self._lines = GrowingFile(folder / "angles.csv")

    def __enter__(self) -> Self:
        rows = [["image", "frame", "time", "person", "id", *self._angles], *self._earlier_rows()]
        self._lines.begin()
        for row in rows:
            self._lines.append(csv_line(row))
        self._before = self._lines.entries
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A run that failed before its first image must not replace an earlier run's table.
        self._lines.discard() if kind and self._lines.entries == self._before else self._lines.close()

    @contextlib.contextmanager
    def open(self, item: Item) -> Iterator[Take]:
        plotted = item.video is not None and item.source.kind != "live"  # live streams may never end
        series: Series = defaultdict(lambda: defaultdict(lambda: array("d")))

        def take(found: Prediction) -> None:
            sizes = joint_angles(found.poses, self._angles)
            time = None if found.time is None else round(found.time, 4)
            for person, pose in enumerate(found.poses):
                values = [None if np.isnan(size[person]) else round(float(size[person]), 1) for size in sizes.values()]
                self._lines.append(csv_line([item.source.label, found.frame, time, person, pose.id, *values]))
                for angle, value in zip(sizes if plotted else (), values, strict=False):
                    series[pose.id or 0][angle].extend((time or 0.0, np.nan if value is None else value))

        try:
            yield take
        finally:  # even if the user stops, like the drawing
            if series:
                save_picture(angle_plot(series, list(self._angles)), self._folder / FOLDER / f"{item.stem}.png")

    def _earlier_rows(self) -> list[list[str]]:
        """Rows of the inputs that are done; a killed run leaves them in a .partial file."""
        found = [path for path in (self._lines.partial, self._lines.path) if self._results.done and path.exists()]
        if not found:
            return []
        with open(found[0], newline="", encoding="utf-8", errors="surrogateescape") as file:
            return [row for row in csv.reader(file) if row and row[0] in self._results.done]
