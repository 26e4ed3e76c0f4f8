"""Processes one video: reads, predicts, tracks and smooths; sinks write the results."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from votepose.outputs.sink import Item, Prediction, Sink, opened
from votepose.poses import Poses
from votepose.predictor import Predictor
from votepose.utils.parallel import Pause, ordered_map
from votepose.video.cuts import Scenes
from votepose.video.latest_frame import LatestFrames
from votepose.video.most_people import MostPeople
from votepose.video.one_euro import Smoothing
from votepose.video.part import Part
from votepose.video.reader import Frame, VideoReader
from votepose.video.sequence import SequenceReader, open_video
from votepose.video.tracker import Tracker, Tracking
from votepose.visualization.draw import Style


@dataclass(frozen=True)
class VideoOptions:
    """Options for processing a video.

    Attributes:
        track: whether to give people ids.
        smooth: whether to smooth each person's keypoints; needs `track`.
        cuts: whether to detect cuts, at which tracks end.
        max_people: maximum number of people per frame; None for all.
        workers: frames processed at the same time.
        realtime: process only the newest frame, and drop those that arrive meanwhile; a file plays at its own speed.
        max_frames: stop after this many.
        style: style of the drawing.
        part: frames to process.
        rate: frames per second of an image sequence; None for `sequence.SEQUENCE_RATE`.
    """

    track: bool = True
    smooth: bool = False
    cuts: bool = True
    max_people: int | None = None
    workers: int = 1
    realtime: bool = False
    max_frames: int | None = None
    style: Style | None = None
    part: Part = field(default_factory=Part)
    rate: float | None = None


def predict_video(
    item: Item,
    predictor: Predictor,
    sinks: Sequence[Sink],
    options: VideoOptions,
    report: Callable[[Poses, int | None, int], None],
    note: Callable[[str], None],
) -> None:
    """Feed the poses of every frame to the sinks.

    Args:
        item: the video.
        report: called after each frame with its poses, the number of frames that will be processed (None if that is
            unknown) and the number of frames dropped so far.
        note: called with each message for the user about this video.

    Raises:
        VoteposeError: if the video cannot be read completely; the readable part is written.
    """

    def find(frame: Frame) -> tuple[Frame, Poses]:
        return frame, predictor(frame.pixels)

    with (
        open_video(item.source, options.part, options.rate) as reader,
        opened(sinks, replace(item, video=reader)) as take,
        contextlib.ExitStack() as stack,
    ):
        people = _People(options, float(options.part.every / reader.rate))
        latest = LatestFrames(reader) if options.realtime else None
        stack.callback(_note_jumps, reader, note)
        frames = stack.enter_context(contextlib.closing(iter(latest or reader)))
        # Live, a worker waits for the newest frame; otherwise, another frame waits for a worker.
        ahead = options.workers - 1 if latest or reader.live else options.workers
        found = ordered_map(find, _first(frames, options.max_frames), options.workers, ahead, predictor.cancel)
        for frame, poses in stack.enter_context(contextlib.closing(found)):
            poses = people(replace(poses, source=item.source.label), frame)
            take(Prediction(frame.pixels, poses, options.style, frame.index, frame.time))
            total = _total(None if latest else reader.count, options.max_frames)
            report(poses, total, latest.dropped if latest else 0)


class _People:
    """Assigns ids, which end at cuts, and limits the number of people.

    Args:
        interval: seconds between frames; a track survives at least one frame without a match.
    """

    def __init__(self, options: VideoOptions, interval: float) -> None:
        tracking = Tracking(smooth=Smoothing() if options.smooth else None)
        tracking = replace(tracking, max_gap=max(tracking.max_gap, 2.5 * interval))
        self._tracker = Tracker(tracking) if options.track else None
        self._scenes = Scenes(tracking.max_gap) if options.cuts and options.track else None
        self._most = MostPeople(options.max_people, tracking.max_gap) if options.max_people else None

    def __call__(self, poses: Poses, frame: Frame) -> Poses:
        scene = self._scenes(frame.pixels, frame.time) if self._scenes else 0
        poses = self._tracker(poses, frame.time, scene) if self._tracker else poses
        return self._most(poses, frame.time, scene) if self._most else poses


def _first(frames: Iterable[Frame | Pause], most: int | None) -> Iterator[Frame | Pause]:
    """The first `most` frames, or all, with the pauses between them."""
    done = 0
    for frame in frames:
        yield frame
        done += isinstance(frame, Frame)
        if done == most:
            return


def _total(count: int | None, most: int | None) -> int | None:
    known = [number for number in (count, most) if number is not None]
    return min(known) if known else None


def _note_jumps(reader: VideoReader | SequenceReader, note: Callable[[str], None]) -> None:
    if reader.jumps:
        places = "in one place" if reader.jumps == 1 else f"in {reader.jumps} places"
        note(f"{reader.label}: its time stamps jump {places}; the times in the results continue there")
