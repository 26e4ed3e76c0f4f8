"""A sink for the results. It is opened first, so that an input recorded as done is done in all other sinks too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from votepose.io.results.writer import Results
from votepose.outputs.sink import Item, Prediction, Sink, Take


class Recorded(Sink):
    """Writes poses into `results`, which the caller opens and closes."""

    def __init__(self, results: Results) -> None:
        self._results = results

    @contextlib.contextmanager
    def open(self, item: Item) -> Iterator[Take]:
        name = item.source.label

        def take(found: Prediction) -> None:
            self._results.write(name, found.poses, found.frame, found.time)

        with self._results.video(name) if item.video else contextlib.nullcontext():
            yield take
