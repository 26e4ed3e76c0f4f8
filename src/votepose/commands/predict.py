"""`votepose predict`: images and videos in; drawn pictures and a file of poses out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from votepose.commands.predict_config import PredictConfig
from votepose.commands.run_summary import Tally
from votepose.errors import VoteposeError
from votepose.inference.provenance import provenance
from votepose.io.files import picture_paths, prepare_folder, save_picture
from votepose.io.images import read_image
from votepose.io.inputs import Input, find_inputs
from votepose.io.results.writer import Results
from votepose.poses import Poses
from votepose.predictor import Predictor, load
from votepose.utils.progress import Bar
from votepose.utils.signals import stop_like_ctrl_c
from votepose.video.predict import VideoOptions, predict_video
from votepose.visualization.draw import Style, draw


def run(config: PredictConfig) -> int:
    """Do what `config` says; progress and failures go to stderr, one summary line to stdout.

    Returns:
        0, or 1 if an image could not be read.

    Raises:
        VoteposeError: if there are no images, or the weights, an option or the output folder will not do.
        OSError: if a result cannot be written.
        KeyboardInterrupt: at Ctrl-C, SIGTERM and SIGHUP, when what was done has been made whole.
    """
    if config.engine == "ray":
        from votepose import cluster

        return cluster.run(config)
    config.check_local()
    inputs = find_inputs(config.images, [config.list] if config.list else [], config.recursive, config.out)
    config.check_inputs(inputs)
    predictor = load(
        config.weights,
        input_size=config.input_size,
        presence_threshold=config.presence_threshold,
        score_threshold=config.score_threshold,
        device=config.device,
        threads=config.threads,
        flip_test=config.flip_test,
    )
    names = [one.label for one in inputs]
    results = Results(config.format, config.out, predictor.skeleton, names, _settings(config, predictor), config.resume)
    prepare_folder(config.out)
    tally, started = Tally(), time.perf_counter()
    try:
        with stop_like_ctrl_c(), results:
            _Run(config, predictor, results, tally).all(inputs)
    finally:  # a run that is stopped says what it did, too
        tally.report(config.out, len(inputs), time.perf_counter() - started)
    return 1 if tally.failures else 0


@dataclass
class _Run:
    """One input after another."""

    config: PredictConfig
    predictor: Predictor
    results: Results
    tally: Tally

    def all(self, inputs: Sequence[Input]) -> None:
        places = zip(inputs, picture_paths(inputs, self.config.out), strict=True)
        left = [(one, target) for one, target in places if one.label not in self.results.done]
        self.tally.skipped = len(inputs) - len(left)
        with Bar("predict", len(left), shown=len(inputs) > 1) as bar:
            for one, target in left:
                try:
                    self.video(one, target) if one.moving else self.image(one, target)
                except VoteposeError as error:
                    self.tally.failures.append(str(error))
                    if self.config.fail_fast:
                        break
                bar.advance()

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
        config = self.config
        options = VideoOptions(
            not config.no_track,
            config.smooth,
            config.realtime,
            config.max_frames,
            not config.no_draw,
            Style(scores=config.scores),
            config.video_codec,
        )
        with Bar(one.path.name) as bar:

            def report(poses: Poses, count: int | None) -> None:
                self.tally.frames += 1
                self.tally.people += len(poses)
                bar.total = count
                bar.advance()

            self.tally.dropped += predict_video(one, target, self.predictor, self.results, options, report)
        self.tally.finished += 1


def _settings(config: PredictConfig, predictor: Predictor) -> dict[str, Any]:
    """What the results depend on."""
    return {
        **provenance(predictor, config.weights),
        "tracking": not config.no_track,
        "smoothing": config.smooth,
        "max frames": config.max_frames,
    }
