"""The interface that a run feeds: each input is opened in every sink, which then takes its images or frames in turn."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from PIL import Image

from votepose.io.inputs import Input
from votepose.poses import Poses
from votepose.visualization.draw import Style, draw


class Video(Protocol):
    """What a sink may know of a video that is being read, see `VideoReader`."""

    @property
    def rate(self) -> Fraction: ...
    @property
    def codec(self) -> str | None: ...
    @property
    def audio(self) -> list[Any]: ...

    on_audio: Callable[[Any], None]


@dataclass(frozen=True)
class Item:
    """One input of a run.

    Attributes:
        source: the input.
        target: path of its drawing, which differs from those of all other inputs; the suffix may be another.
        stem: a relative path to name several results after, which differs from those of all other inputs.
        video: None for an image.
    """

    source: Input
    target: Path
    stem: Path
    video: Video | None = None


@dataclass(frozen=True, eq=False)
class Prediction:
    """The poses in an image, or in one frame of a video.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        poses: in its pixels.
        style: of the drawing.
        frame, time: of a video: the frame, counted from 0, and seconds since the first.
    """

    pixels: np.ndarray
    poses: Poses
    style: Style | None = None
    frame: int | None = None
    time: float | None = None

    @cached_property
    def drawing(self) -> Image.Image:
        """The image with the poses drawn on it; drawn at most once, however many sinks need it."""
        return draw(self.pixels, self.poses, self.style)


Take = Callable[[Prediction], None]


class Sink(contextlib.AbstractContextManager["Sink"]):
    """Something that a run writes. As a context manager it encloses the run; by default nothing happens there."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def open(self, item: Item) -> AbstractContextManager[Take]:
        """Enclose one input; yields what takes its image or each of its frames.

        Raises:
            VoteposeError: if this input does not hold what was asked for.
            OSError: if it cannot be written.
        """
        raise NotImplementedError

    def skip(self, item: Item) -> None:
        """An input that an earlier run has finished."""


@contextlib.contextmanager
def opened(sinks: Sequence[Sink], item: Item) -> Iterator[Take]:
    """Enclose one input in all sinks. The first one is the last to take each frame, and the last to be closed."""
    with contextlib.ExitStack() as stack:
        takers = [stack.enter_context(sink.open(item)) for sink in sinks]

        def take(prediction: Prediction) -> None:
            for each in reversed(takers):
                each(prediction)

        yield take
