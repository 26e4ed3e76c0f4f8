"""Processor time of each method's grouping, on synthetic people with perfect outputs, and of its head."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks import associative_embedding, part_affinity, scenes
from research.grouping.decode import snap
from research.grouping.heads import METHODS, Head
from votepose.grouping import GroupingConfig, group
from votepose.skeleton import COCO_17

PEOPLE = (2, 20, 200)


def speed(repeats: int, channels: int) -> dict[str, dict[str, float]]:
    """{method: {people: least milliseconds of grouping, "head": of a head at 384 pixels}}, measured in turns."""
    features = torch.randn(1, channels, 48, 48).contiguous(memory_format=torch.channels_last)
    tasks: dict[tuple[str, str], Callable[[], object]] = {
        (name, str(count)): task for count in PEOPLE for name, task in _tasks(scenes.scene(count)).items()
    }
    for name in METHODS:
        head = Head(name, channels).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        tasks[name, "head"] = torch.no_grad()(lambda head=head: head(features))
    least = dict.fromkeys(tasks, float("inf"))
    for _ in range(repeats):
        for key, task in tasks.items():
            begun = time.process_time()
            task()
            least[key] = min(least[key], 1000 * (time.process_time() - begun))
    return {name: {of: round(ms, 3) for (other, of), ms in least.items() if other == name} for name in METHODS}


def _tasks(scene: scenes.Scene) -> dict[str, Callable[[], object]]:
    """The grouping of each method: what a network would have put out is prepared outside of the timed part."""
    cells = scenes.peaks(scene.heatmaps)
    points = [scenes.points_of(one) for one in cells]
    scores = [scene.heatmaps[k].reshape(-1)[one] for k, one in enumerate(cells)]
    tags = [scene.tags[k].reshape(-1)[one] for k, one in enumerate(cells)]
    config = GroupingConfig()
    chosen = scenes.candidates(scene.presence, config)
    poses, log_scales = scenes.votes(scene, chosen)
    places, presence = scenes.points_of(chosen), scene.presence.reshape(-1)[chosen]
    centred = scene.people + np.random.default_rng(0).normal(0, 0.3, scene.people.shape)
    return {
        "votes": lambda: group(poses, log_scales, places, presence, COCO_17.kappas, config),
        "tags": lambda: associative_embedding.group(scores, tags),
        "affinity": lambda: part_affinity.group(points, scene.affinity, COCO_17.links),
        "centres": lambda: snap(centred, points, 0.3),
    }
