"""`votepose predict`: images and videos in; drawn pictures and a file of poses out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.progress import Progress, TaskID

import votepose
from votepose.draw import Style, draw
from votepose.errors import VoteposeError
from votepose.inputs import Input, find_inputs
from votepose.poses import Poses
from votepose.predict_video import VideoOptions, predict_video
from votepose.predictor import BUNDLED, SCORE_THRESHOLD, Predictor, load
from votepose.signals import stop_like_ctrl_c
from votepose.sources import read_image
from votepose.streams import import_av
from votepose.tally import Tally, progress_bar
from votepose.writers import Format, Results, picture_paths, prepare_folder, save_picture


@dataclass(frozen=True)
class PredictConfig:
    """Find every person's pose in images and videos; write drawn ones and a file of poses."""

    images: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="INPUTS...")]
    """Images, folders, globs (quoted), videos, http(s) or rtsp:// addresses, webcam:0, lists (.txt, - for stdin)."""
    list: str | None = None
    """A file that names an image, video or URL a line; - for stdin."""
    out: Path = Path("out")
    """Folder for the results; made if missing. Results of the same name are replaced, inputs never."""
    format: Format = "records"
    """records: poses.jsonl, JSON an image. coco: results.json, images.json. csv, parquet: a table, a row a person."""
    resume: bool = False
    """Leave out what an earlier run into the same folder did, and add to its results (records and coco)."""
    no_draw: bool = False
    """Write no drawn pictures and videos."""
    scores: bool = False
    """Write each person's score in the drawing."""
    weights: Path | None = None
    """An ONNX file of `votepose export`; by default the model in the package."""
    input_size: int | None = None
    """Longest side of the network input in pixels, a multiple of 32; larger finds smaller people, slower."""
    presence_threshold: float | None = None
    """How sure a cell must be that a keypoint lies on it, in [0, 1]; by default the model's own."""
    score_threshold: float = SCORE_THRESHOLD
    """People whose score is below it are left out, in [0, 1]."""
    recursive: bool = False
    """Look into the folders of folders."""
    fail_fast: bool = False
    """Stop at the first image that cannot be read."""
    no_track: bool = False
    """Give the people of a video no ids."""
    smooth: bool = False
    """Steady the keypoints of a video with a One-Euro filter."""
    realtime: bool = False
    """Of a camera or stream take the newest frame each time, and drop frames rather than lag."""
    max_frames: int | None = None
    """Stop after so many frames of a video or stream; by default at its end, or at Ctrl-C."""
    video_codec: str | None = None
    """FFmpeg's encoder for drawn videos, such as libx264; by default the first of libopenh264, libvpx-vp9, mpeg4."""
    device: str = "cpu"
    """cpu, cuda, cuda:1, or another that the installed onnxruntime has."""
    threads: int | None = None
    """CPU threads of the network; by default onnxruntime chooses."""


def run(config: PredictConfig) -> int:
    """Do what `config` says; progress and failures go to stderr, one summary line to stdout.

    Returns:
        0, or 1 if an image could not be read.

    Raises:
        VoteposeError: if there are no images, or the weights, an option or the output folder will not do.
        OSError: if a result cannot be written.
        KeyboardInterrupt: at Ctrl-C, SIGTERM and SIGHUP, when what was done has been made whole.
    """
    inputs = find_inputs(config.images, [config.list] if config.list else [], config.recursive, config.out)
    _check(config, inputs)
    predictor = load(
        config.weights,
        input_size=config.input_size,
        presence_threshold=config.presence_threshold,
        score_threshold=config.score_threshold,
        device=config.device,
        threads=config.threads,
    )
    names = [one.label for one in inputs]
    results = Results(config.format, config.out, predictor.skeleton, names, _settings(config, predictor), config.resume)
    prepare_folder(config.out)
    tally, started = Tally(), time.perf_counter()
    try:
        with stop_like_ctrl_c(), results, progress_bar() as progress:
            _Run(config, predictor, results, progress, tally).all(inputs)
    finally:  # a run that is stopped says what it did, too
        tally.report(config.out, len(inputs), time.perf_counter() - started)
    return 1 if tally.failures else 0


@dataclass
class _Run:
    """One input after another."""

    config: PredictConfig
    predictor: Predictor
    results: Results
    progress: Progress
    tally: Tally

    def all(self, inputs: Sequence[Input]) -> None:
        task = self.progress.add_task("predict", total=len(inputs), rate="", visible=len(inputs) > 1)
        started = time.perf_counter()
        for one, target in zip(inputs, picture_paths(inputs, self.config.out), strict=True):
            if one.label in self.results.done:
                self.tally.skipped += 1
                self.progress.update(task, total=len(inputs) - self.tally.skipped)
                continue
            try:
                self.video(one, target) if one.moving else self.image(one, target)
            except VoteposeError as error:
                self.tally.failures.append(str(error))
                if self.config.fail_fast:
                    break
            self._advance(task, started)

    def image(self, one: Input, target: Path) -> None:
        pixels = read_image(one.path if one.is_file else one.name)
        poses = replace(self.predictor(pixels), source=one.label)
        if not self.config.no_draw:
            save_picture(draw(pixels, poses, Style(scores=self.config.scores)), target)
        self.results.write(one.label, poses)
        self.tally.pictures += 1
        self.tally.people += len(poses)
        self.tally.finished += 1

    def video(self, one: Input, target: Path) -> None:
        config, started = self.config, time.perf_counter()
        options = VideoOptions(not config.no_track, config.smooth, config.realtime, config.max_frames,
                               not config.no_draw, Style(scores=config.scores), config.video_codec)  # fmt: skip
        task = self.progress.add_task(one.path.name, total=None, rate="")

        def report(poses: Poses, count: int | None) -> None:
            self.tally.frames += 1
            self.tally.people += len(poses)
            self._advance(task, started, count)

        try:
            self.tally.dropped += predict_video(one, target, self.predictor, self.results, options, report)
            self.tally.finished += 1
        finally:
            self.progress.remove_task(task)

    def _advance(self, task: TaskID, started: float, total: int | None = None) -> None:
        self.progress.update(task, advance=1, total=total)
        done = self.progress.tasks[self.progress.task_ids.index(task)].completed
        self.progress.update(task, rate=f"{done / max(time.perf_counter() - started, 1e-6):.1f}/s")


def _check(config: PredictConfig, inputs: Sequence[Input]) -> None:
    """Refuse what would fail later, or mean nothing."""
    if config.smooth and config.no_track:
        raise VoteposeError("--smooth follows each person: leave out --no-track")
    if config.max_frames is not None and config.max_frames < 1:
        raise VoteposeError(f"--max-frames should be at least 1, but is {config.max_frames}")
    live = [one.label for one in inputs if one.kind == "live"]
    if config.resume and live:
        raise VoteposeError(f"{live[0]}: a live stream cannot be gone on with; leave out --resume")
    if any(one.moving for one in inputs):
        import_av()


def _settings(config: PredictConfig, predictor: Predictor) -> dict[str, Any]:
    """Of which the results depend."""
    with open(config.weights or BUNDLED, "rb") as file:
        weights = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "votepose": votepose.__version__,
        "weights": weights[:16],
        "input size": predictor.input_size,
        "presence threshold": predictor.presence_threshold,
        "score threshold": predictor.score_threshold,
        "tracking": not config.no_track,
        "smoothing": config.smooth,
        "max frames": config.max_frames,
    }
