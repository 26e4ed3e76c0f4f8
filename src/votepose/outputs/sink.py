"""The interface of sinks: each input is opened in every sink, which then takes its image or frames in turn."""

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
    """The attributes of a video that sinks may use, see `VideoReader`."""

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
        target: unique path of its drawing; the suffix may change.
        stem: unique relative path, used to name several results.
        video: the video; None for an image.
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
        poses: poses in its pixels.
        style: style of the drawing.
        frame, time: for a video, the frame number, from 0, and seconds since the first frame.
    """

    pixels: np.ndarray
    poses: Poses
    style: Style | None = None
    frame: int | None = None
    time: float | None = None

    @cached_property
    def drawing(self) -> Image.Image:
        """The image with the poses drawn on it, drawn at most once for all sinks."""
        return draw(self.pixels, self.poses, self.style)


Take = Callable[[Prediction], None]


class Sink(contextlib.AbstractContextManager["Sink"]):
    """An output of a run. It is a context manager around the run, which does nothing by default."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def open(self, item: Item) -> AbstractContextManager[Take]:
        """A context manager around one input; yields a function that takes its image or each of its frames.

        Raises:
            VoteposeError: if the input lacks what the options require.
            OSError: if it cannot be written.
        """
        raise NotImplementedError

    def skip(self, item: Item) -> None:
        """Called for an input that an earlier run has finished."""


@contextlib.contextmanager
def opened(sinks: Sequence[Sink], item: Item) -> Iterator[Take]:
    """Open one input in all sinks. The first sink takes each frame last, and is closed last."""
    with contextlib.ExitStack() as stack:
        takers = [stack.enter_context(sink.open(item)) for sink in sinks]

        def take(prediction: Prediction) -> None:
            for each in reversed(takers):
                each(prediction)

        yield take
