"""One video from start to end: predict, track, smooth, draw, write."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from votepose.io.inputs import Input
from votepose.io.results.writer import Results
from votepose.poses import Poses
from votepose.predictor import Predictor
from votepose.video.codecs import Source
from votepose.video.latest_frame import LatestFrames
from votepose.video.one_euro import Smoothing
from votepose.video.part import Part
from votepose.video.reader import VideoReader
from votepose.video.sequence import SequenceReader, open_video
from votepose.video.tracker import Tracker, Tracking
from votepose.video.writer import VideoWriter
from votepose.visualization.draw import Style, draw


@dataclass(frozen=True)
class VideoOptions:
    """What to do with the frames.

    Attributes:
        track: give people ids.
        smooth: smooth each person's keypoints; needs `track`.
        realtime: process only the newest frame, and drop those that arrive meanwhile. The drawing is then silent.
        max_frames: stop after this many.
        drawn: write a drawn video.
        style: of the drawing.
        codec: encoder of the drawn video, see `VideoWriter`.
        part: which frames are processed; None for all.
        rate: frames per second of a sequence of images; None for `sequence.SEQUENCE_RATE`.
    """

    track: bool = True
    smooth: bool = False
    realtime: bool = False
    max_frames: int | None = None
    drawn: bool = True
    style: Style | None = None
    codec: str | None = None
    part: Part | None = None
    rate: float | None = None


def predict_video(
    one: Input,
    target: Path,
    predictor: Predictor,
    results: Results,
    options: VideoOptions,
    report: Callable[[Poses, int | None], None],
    note: Callable[[str], None],
) -> int:
    """Write the poses of every frame into `results`, and the drawn video to `target` (the suffix may change).

    Args:
        report: called after each frame with its poses and the total number of frames, or None if that is unknown.
        note: called with each line that the user should read about this video.

    Returns:
        The number of frames that were dropped.

    Raises:
        VoteposeError: if the video cannot be read, or only in part; the readable part is written.
    """
    with (
        open_video(one, options.part, options.rate) as reader,
        results.video(one.label),
        contextlib.ExitStack() as stack,
    ):
        follow = _tracker(options, float((options.part or Part()).every / reader.rate)) if options.track else None
        latest = LatestFrames(reader) if options.realtime else None
        audio = [] if latest else reader.audio  # its packets would arrive in the reading thread
        drawing = None
        if options.drawn:
            source = Source(reader.codec, one.path.suffix, audio)
            drawing = stack.enter_context(VideoWriter(target.with_suffix(""), reader.rate, source, options.codec))
            reader.on_audio = drawing.write_audio if audio else reader.on_audio
            if drawing.note:
                note(drawing.note)
        stack.callback(_note_jumps, reader, note)
        frames = stack.enter_context(contextlib.closing(iter(latest or reader)))
        origin: float | None = None if options.part and options.part.start else 0.0  # of the drawing's times
        for frame in islice(frames, options.max_frames):
            origin = frame.time if origin is None else origin
            poses: Poses = replace(predictor(frame.pixels), source=one.label)
            poses = follow(poses, frame.time) if follow else poses
            results.write(one.label, poses, frame.index, frame.time)
            if drawing:
                drawing.write(np.asarray(draw(frame.pixels, poses, options.style)), frame.time - origin)
            report(poses, _total(reader.count, options.max_frames))
        return latest.dropped if latest else 0


def _tracker(options: VideoOptions, interval: float) -> Tracker:
    """A tracker for frames that are `interval` seconds apart; a track survives at least one without its person."""
    tracking = Tracking(smooth=Smoothing() if options.smooth else None)
    return Tracker(replace(tracking, max_gap=max(tracking.max_gap, 2.5 * interval)))


def _total(count: int | None, most: int | None) -> int | None:
    known = [number for number in (count, most) if number is not None]
    return min(known) if known else None


def _note_jumps(reader: VideoReader | SequenceReader, note: Callable[[str], None]) -> None:
    if reader.jumps:
        places = "in one place" if reader.jumps == 1 else f"in {reader.jumps} places"
        note(f"{reader.label}: its time stamps jump {places}; the times in the results continue there")
