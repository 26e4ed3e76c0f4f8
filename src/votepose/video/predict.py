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
from votepose.video.latest_frame import LatestFrames
from votepose.video.one_euro import Smoothing
from votepose.video.reader import VideoReader
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
    """

    track: bool = True
    smooth: bool = False
    realtime: bool = False
    max_frames: int | None = None
    drawn: bool = True
    style: Style | None = None
    codec: str | None = None


def predict_video(
    one: Input,
    target: Path,
    predictor: Predictor,
    results: Results,
    options: VideoOptions,
    report: Callable[[Poses, int | None], None],
) -> int:
    """Write the poses of every frame into `results`, and the drawn video to `target` (the suffix may change).

    Args:
        report: called after each frame with its poses and the total number of frames, or None if that is unknown.

    Returns:
        The number of frames that were dropped.

    Raises:
        VoteposeError: if the video cannot be read, or only in part; the readable part is written.
    """
    follow = Tracker(Tracking(smooth=Smoothing() if options.smooth else None)) if options.track else None
    with VideoReader(one) as reader, results.video(one.label), contextlib.ExitStack() as stack:
        latest = LatestFrames(reader) if options.realtime else None
        audio = [] if latest else reader.audio  # its packets would arrive in the reading thread
        drawing = None
        if options.drawn:
            writer = VideoWriter(target.with_suffix(""), reader.rate, audio, one.path.suffix, options.codec)
            drawing = stack.enter_context(writer)
            reader.on_audio = drawing.write_audio if audio else reader.on_audio
        frames = stack.enter_context(contextlib.closing(iter(latest or reader)))
        for frame in islice(frames, options.max_frames):
            poses = replace(predictor(frame.pixels), source=one.label)
            poses = follow(poses, frame.time) if follow else poses
            results.write(one.label, poses, frame.index, frame.time)
            if drawing:
                drawing.write(np.asarray(draw(frame.pixels, poses, options.style)), frame.time)
            report(poses, reader.count if options.max_frames is None else options.max_frames)
        return latest.dropped if latest else 0
