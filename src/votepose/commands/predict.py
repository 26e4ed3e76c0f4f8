"""`votepose predict`: finds poses in images and videos; writes drawings and a file of poses."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from votepose import cluster
from votepose.cluster.config import ClusterConfig
from votepose.commands.predict_config import GROUPS, PredictConfig
from votepose.commands.predict_run import Run
from votepose.commands.sinks import make_sinks
from votepose.inference.provenance import provenance
from votepose.inference.weights import ACCURATE, FAST
from votepose.io.files import prepare_folder
from votepose.io.inputs import Input, Search, find_inputs
from votepose.io.results.writer import Results
from votepose.predictor import Predictor
from votepose.utils.run_summary import RunSummary, remark
from votepose.utils.signals import stop_like_ctrl_c
from votepose.video.window import WindowClosedError
from votepose.visualization.draw import Style

__all__ = ["GROUPS", "PredictConfig", "run"]


def run(config: PredictConfig) -> int:
    """Process the inputs. Progress and failures go to stderr, a summary line to stdout.

    Returns:
        0, or 1 if an image could not be read.

    Raises:
        VoteposeError: if there are no images, or the weights, an option or the output folder cannot be used.
        OSError: if a result cannot be written.
        KeyboardInterrupt: on Ctrl-C, SIGTERM or SIGHUP, after the results so far have been saved.
    """
    config.check_engine()
    return _run_on_ray(config) if config.engine == "ray" else _run_locally(config)


def _run_on_ray(config: PredictConfig) -> int:
    model = config.model
    on_cpu = replace(model, device="cpu")  # this machine may lack the workers' devices
    return cluster.run(
        ClusterConfig(
            images=config.images,
            list=config.list,
            recursive=config.recursive,
            out=config.out,
            weights=model.path,
            workers=config.workers,
            device=model.device,
            threads=model.threads,
            style=None if config.no_draw else Style(scores=config.scores),
            ray=config.ray,
        ),
        on_cpu.load(config.flip_test),
    )


def _run_locally(config: PredictConfig) -> int:
    how = Search(config.recursive, config.out, as_video=config.video.as_video is not None, report=remark)
    inputs = find_inputs(config.images, [config.list] if config.list else [], how)
    config.check_inputs(inputs)
    config = _with_model(config, inputs)
    workers, threads = config.parallel(inputs)
    predictor = replace(config.model, threads=threads).load(config.flip_test)
    names = [one.label for one in inputs]
    results = Results(config.format, config.out, predictor.skeleton, names, _settings(config, predictor), config.resume)
    summary = RunSummary(videos=all(one.moving for one in inputs), realtime=config.video.realtime)
    started = time.perf_counter()
    sinks = make_sinks(config, inputs, results, predictor.skeleton, summary.note)
    prepare_folder(config.out)
    try:
        with stop_like_ctrl_c(), results, contextlib.ExitStack() as stack:
            for sink in sinks:
                stack.enter_context(sink)
            Run(config, predictor, workers, results, sinks, summary).all(inputs)
    except WindowClosedError:
        pass  # the usual end of a live stream
    finally:  # even if the run is stopped
        summary.report(config.out, len(inputs), time.perf_counter() - started)
    return 1 if summary.failures else 0


def _with_model(config: PredictConfig, inputs: Sequence[Input]) -> PredictConfig:
    """Use the fast model for live inputs and --realtime, unless the user has chosen one."""
    live = [one for one in inputs if one.kind == "live" or (config.video.realtime and one.moving)]
    if not live or not config.model.is_left_open:
        return config
    why = "live input" if live[0].kind == "live" else "in real time"
    remark(f"{live[0].label}: {why}, using the {FAST} model (override with --model {ACCURATE})")
    return replace(config, model=replace(config.model, model=FAST))


def _settings(config: PredictConfig, predictor: Predictor) -> dict[str, Any]:
    """The settings that the results depend on."""
    part = config.video.part
    return {
        **provenance(predictor, config.model.path),
        "tracking": not config.video.no_track,
        "smoothing": config.video.smooth,
        "realtime": config.video.realtime or None,
        "max frames": config.video.max_frames,
        "every nth frame": part.every if part.every > 1 else None,
        "start": part.start or None,
        "end": part.end,
        "images a second": config.video.as_video,
        "tracks across cuts": config.video.no_cuts or None,
        "follow": config.video.follow,
        "max people": config.max_people,
        "angles": config.angles,
        "crops": None if config.crops is None else str(config.crops),
    }
