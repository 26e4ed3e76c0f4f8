"""`votepose predict`: images and videos in; drawings and a file of poses out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from votepose import cluster
from votepose.cluster.config import ClusterConfig
from votepose.commands.predict_config import GROUPS, PredictConfig
from votepose.errors import VoteposeError
from votepose.inference.provenance import provenance
from votepose.inference.weights import ACCURATE, FAST
from votepose.io.files import picture_paths, prepare_folder, save_picture
from votepose.io.images import read_image
from votepose.io.inputs import Input, Search, find_inputs
from votepose.io.results.writer import Results
from votepose.poses import Poses
from votepose.predictor import Predictor
from votepose.utils.progress import Bar
from votepose.utils.run_summary import RunSummary, remark
from votepose.utils.signals import stop_like_ctrl_c
from votepose.video.predict import VideoOptions, predict_video
from votepose.visualization.draw import Style, draw

__all__ = ["GROUPS", "PredictConfig", "run"]


def run(config: PredictConfig) -> int:
    """Process the inputs; progress and failures go to stderr, one summary line to stdout.

    Returns:
        0, or 1 if an image could not be read.

    Raises:
        VoteposeError: if there are no images, or the weights, an option or the output folder cannot be used.
        OSError: if a result cannot be written.
        KeyboardInterrupt: at Ctrl-C, SIGTERM and SIGHUP, after the results so far have been saved.
    """
    return _run_on_ray(config) if config.engine == "ray" else _run_locally(config)


def _run_on_ray(config: PredictConfig) -> int:
    config.check_ray()
    model = config.model
    on_cpu = replace(model, device="cpu")  # this machine need not have the workers' devices
    return cluster.run(
        ClusterConfig(
            images=config.images,
            list=config.list,
            recursive=config.recursive,
            out=config.out,
            weights=model.path,
            device=model.device,
            threads=model.threads,
            style=None if config.no_draw else Style(scores=config.scores),
            ray=config.ray,
        ),
        on_cpu.load(config.flip_test),
    )


def _run_locally(config: PredictConfig) -> int:
    config.check_local()
    how = Search(config.recursive, config.out, as_video=config.video.as_video is not None, report=remark)
    inputs = find_inputs(config.images, [config.list] if config.list else [], how)
    config.check_inputs(inputs)
    config = _with_model(config, inputs)
    predictor = config.model.load(config.flip_test)
    names = [one.label for one in inputs]
    results = Results(config.format, config.out, predictor.skeleton, names, _settings(config, predictor), config.resume)
    prepare_folder(config.out)
    summary, started = RunSummary(), time.perf_counter()
    try:
        with stop_like_ctrl_c(), results:
            _Run(config, predictor, results, summary).all(inputs)
    finally:  # also when the run is stopped
        summary.report(config.out, len(inputs), time.perf_counter() - started)
    return 1 if summary.failures else 0


def _with_model(config: PredictConfig, inputs: Sequence[Input]) -> PredictConfig:
    """With the fast model for live inputs and --realtime, which do not wait, unless the user has chosen one."""
    realtime = config.video.realtime
    live = [one.label for one in inputs if one.kind == "live" or (realtime and one.moving and not one.is_file)]
    if not live or not config.model.is_left_open:
        return config
    remark(f"{live[0]}: is live, so the model is {FAST} (--model {ACCURATE} for the other)")
    return replace(config, model=replace(config.model, model=FAST))


@dataclass
class _Run:
    """One input after another."""

    config: PredictConfig
    predictor: Predictor
    results: Results
    summary: RunSummary

    def all(self, inputs: Sequence[Input]) -> None:
        places = zip(inputs, picture_paths(inputs, self.config.out), strict=True)
        left = [(one, target) for one, target in places if one.label not in self.results.done]
        self.summary.skipped = len(inputs) - len(left)
        with Bar("predict", len(left), shown=len(inputs) > 1) as bar:
            for one, target in left:
                try:
                    self.video(one, target) if one.moving else self.image(one, target)
                except VoteposeError as error:
                    self.summary.failures.append(str(error))
                    if self.config.fail_fast:
                        break
                bar.advance()

    def image(self, one: Input, target: Path) -> None:
        pixels = read_image(one.path if one.is_file else one.name)
        poses = replace(self.predictor(pixels), source=one.label)
        if not self.config.no_draw:
            save_picture(draw(pixels, poses, Style(scores=self.config.scores)), target)
        self.results.write(one.label, poses)
        self.summary.pictures += 1
        self.summary.people += len(poses)
        self.summary.finished += 1

    def video(self, one: Input, target: Path) -> None:
        video = self.config.video
        options = VideoOptions(
            track=not video.no_track,
            smooth=video.smooth,
            realtime=video.realtime,
            max_frames=video.max_frames,
            drawn=not self.config.no_draw,
            style=Style(scores=self.config.scores),
            codec=video.video_codec,
            part=video.part,
            rate=video.as_video,
        )
        with Bar(one.path.name) as bar:

            def report(poses: Poses, count: int | None) -> None:
                self.summary.frames += 1
                self.summary.people += len(poses)
                bar.total = count
                bar.advance()

            def note(line: str) -> None:
                self.summary.notes[line] = None

            self.summary.dropped += predict_video(one, target, self.predictor, self.results, options, report, note)
        self.summary.finished += 1


def _settings(config: PredictConfig, predictor: Predictor) -> dict[str, Any]:
    """What the results depend on."""
    part = config.video.part
    return {
        **provenance(predictor, config.model.path),
        "tracking": not config.video.no_track,
        "smoothing": config.video.smooth,
        "max frames": config.video.max_frames,
        "every nth frame": part.every if part.every > 1 else None,
        "start": part.start or None,
        "end": part.end,
        "images a second": config.video.as_video,
    }
