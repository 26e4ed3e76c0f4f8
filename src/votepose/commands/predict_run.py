"""The inputs of `votepose predict`: read, predict, feed the sinks in order, count."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from votepose.commands.predict_config import PredictConfig
from votepose.errors import VoteposeError
from votepose.io.images import read_image
from votepose.io.inputs import Input
from votepose.io.results.writer import Results
from votepose.outputs.names import picture_paths, result_stems
from votepose.outputs.sink import Item, Prediction, Sink, opened
from votepose.poses import Poses
from votepose.predictor import Predictor
from votepose.utils.parallel import ordered_map
from votepose.utils.progress import Bar
from votepose.utils.run_summary import RunSummary
from votepose.video.predict import predict_video
from votepose.visualization.draw import Style


@dataclass
class Run:
    """The inputs of a run, whose results come in their order.

    Attributes:
        config: its checks have passed.
        predictor: finds the poses.
        workers: images or frames processed at the same time.
        results, sinks: entered by the caller; the results are also the first sink.
        summary: of what has been done so far.
    """

    config: PredictConfig
    predictor: Predictor
    workers: int
    results: Results
    sinks: Sequence[Sink]
    summary: RunSummary

    def all(self, inputs: Sequence[Input]) -> None:
        """Process the inputs that are not done. Raises OSError if a result cannot be written."""
        places = zip(inputs, picture_paths(inputs, self.config.out), result_stems(inputs), strict=True)
        items = [Item(*place) for place in places]
        left = [item for item in items if item.source.label not in self.results.done]
        self.summary.skipped = len(items) - len(left)
        images = (self._read(item) for item in left if not item.source.moving)
        found = ordered_map(self._find, images, self.workers, self.workers, self.predictor.cancel)
        with Bar("predict", len(left), shown=len(inputs) > 1) as bar, contextlib.closing(found):
            for item in items:
                if item.source.label in self.results.done:
                    for sink in self.sinks:
                        sink.skip(item)
                    continue
                if not self._one(item, None if item.source.moving else next(found)) and self.config.fail_fast:
                    break
                bar.advance()

    def _read(self, item: Item) -> tuple[Item, np.ndarray | VoteposeError]:
        """The pixels of an image, or why it cannot be read."""
        try:
            return item, read_image(item.source.path if item.source.is_file else item.source.name)
        except VoteposeError as error:
            return item, error

    def _find(self, image: tuple[Item, np.ndarray | VoteposeError]) -> Prediction | VoteposeError:
        """The people in an image, or why there is no result. Runs in any thread."""
        item, pixels = image
        if isinstance(pixels, VoteposeError):
            return pixels
        try:
            poses = self.predictor(pixels)
        except VoteposeError as error:
            return error
        poses = replace(poses, source=item.source.label)[: self.config.max_people]
        return Prediction(pixels, poses, Style(scores=self.config.scores))

    def _one(self, item: Item, found: Prediction | VoteposeError | None) -> bool:
        """Process an input; returns whether it could be read completely and had what the options require."""
        before = self.summary.pictures + self.summary.frames
        try:
            if isinstance(found, VoteposeError):
                raise found
            self._image(item, found) if found else self._video(item)
        except VoteposeError as error:
            self.summary.failures.append(str(error))
            if self.summary.pictures + self.summary.frames == before:
                self.results.write_error(item.source.label, str(error))
            return False
        self.summary.finished += 1
        return True

    def _image(self, item: Item, found: Prediction) -> None:
        with opened(self.sinks, item) as take:
            take(found)
        self.summary.pictures += 1
        self.summary.people += len(found.poses)

    def _video(self, item: Item) -> None:
        options = self.config.video.options(self.config.max_people, self.workers, Style(scores=self.config.scores))
        before = self.summary.dropped
        with Bar(item.source.path.name) as bar:

            def report(poses: Poses, count: int | None, dropped: int) -> None:
                self.summary.frames += 1
                self.summary.people += len(poses)
                self.summary.dropped = before + dropped
                bar.total = count
                bar.advance()

            predict_video(item, self.predictor, self.sinks, options, report, self.summary.note)
