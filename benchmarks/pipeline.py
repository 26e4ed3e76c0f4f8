"""Measures the time of each step for an image, images per second, and memory over time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from votepose.grouping import GroupingConfig, group
from votepose.inference.graph_outputs import INPUTS, PEOPLE, VOTES
from votepose.io.images import read_image
from votepose.letterbox import Letterbox
from votepose.predictor import Predictor
from votepose.visualization.draw import draw


def split(predictor: Predictor, pictures: list[Path], repeats: int) -> dict[str, dict[str, float]]:
    """{"median" or "best": milliseconds per image}: load, letterbox, network (the whole graph: network, grouping,
    refinement), grouping alone (in NumPy, padded to as many votes as the graph has), draw.
    """
    stages: dict[str, list[float]] = {name: [] for name in ("load", "letterbox", "network", "grouping", "draw")}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        value = call()
        stages[name].append(1000 * (time.perf_counter() - started))
        return value

    for _ in range(repeats):
        for picture in pictures:
            pixels = timed("load", lambda p=picture: read_image(p))
            box = Letterbox.fit(pixels.shape[1], pixels.shape[0], predictor.input_size)
            images = timed("letterbox", lambda b=box, p=pixels: b.apply(p))[None]
            feeds = dict(zip(INPUTS, (images, np.asarray(np.float32(predictor.presence_threshold))), strict=True))
            timed("network", lambda f=feeds: predictor.session.run(PEOPLE, f))
            votes = _votes(predictor, feeds)
            timed("grouping", lambda v=votes: group(*v, predictor.skeleton.kappas, GroupingConfig()))
            poses = predictor(pixels)
            timed("draw", lambda p=pixels, q=poses: draw(p, q))
    return {
        "median": {name: round(float(np.median(values)), 2) for name, values in stages.items()},
        "best": {name: round(min(values), 2) for name, values in stages.items()},
    }


def _votes(predictor: Predictor, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The votes of an image as input of `group`, in cells, padded with zeros."""
    found = dict(zip(VOTES, predictor.session.run(VOTES, feeds), strict=True))
    stride, count = predictor.metadata["stride"], GroupingConfig().candidates
    columns = (
        found["vote_poses"] / stride,
        np.log(found["vote_scales"] / stride),
        found["vote_cells"] / stride,
        found["vote_presence"],
    )
    return [np.concatenate([x, np.zeros((count - len(x), *x.shape[1:]), x.dtype)]) for x in columns]


def throughput(runs: dict[str, tuple[Predictor, int]], pictures: list[Path], seconds: float) -> dict[str, Any]:
    """{name: images per second of wall time, and CPU milliseconds per image} for predictors with their workers.

    They take turns of a few images. `bound` is the rate that the CPU time would allow on all cores; on a shared
    machine, wall time includes other programs.
    """
    cores, block = psutil.cpu_count() or 1, list(itertools.islice(itertools.cycle(pictures), 24))
    wall: dict[str, list[float]] = {name: [] for name in runs}
    processor: dict[str, list[float]] = {name: [] for name in runs}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, (predictor, workers) in runs.items():
            started, used = time.perf_counter(), time.process_time()
            for _ in predictor.stream(block, workers):
                pass
            wall[name].append((time.perf_counter() - started) / len(block))
            processor[name].append((time.process_time() - used) / len(block))
    return {
        name: {
            "images_per_second": round(1 / float(np.median(wall[name])), 1),
            "best_images_per_second": round(1 / min(wall[name]), 1),
            "cpu_ms_per_image": round(1000 * float(np.median(processor[name])), 1),
            "bound_images_per_second": round(cores / float(np.median(processor[name])), 1),
        }
        for name in runs
    }


def soak(predictor: Predictor, pictures: list[Path], count: int, workers: int) -> dict[str, Any]:
    """Resident memory, in MB, over `count` images: at the start and after each tenth."""
    process, marks = psutil.Process(), []
    endless = itertools.islice(itertools.cycle(pictures), count)
    for done, _ in enumerate(predictor.stream(endless, workers), start=1):
        if done % max(1, count // 10) == 0:
            marks.append(round(process.memory_info().rss / 1e6, 1))
            print(f"  {done} images: {marks[-1]} MB", flush=True)
    return {"images": count, "rss_mb": marks, "growth_mb": round(marks[-1] - marks[0], 1)}
