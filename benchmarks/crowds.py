"""Measures grouping alone, from 1 to 200 people: votepose and two classic methods on the same people, in turns."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import associative_embedding
import numpy as np
import part_affinity
import scenes

from votepose.grouping import GroupingConfig, group
from votepose.skeleton import COCO_17

PEOPLE = (1, 2, 5, 10, 20, 50, 100, 200)
OURS, EMBEDDING, AFFINITY = "votepose", "associative embedding", "part affinity fields"
Task = Callable[[], np.ndarray]  # -> people (P, 17, 2)


def measure(repeats: int) -> dict[str, dict[str, dict[str, float]]]:
    """{"ms", "best" or "found": {name: {people: median or minimum milliseconds, or number found}}}."""
    tasks = {count: _tasks(scenes.scene(count)) for count in PEOPLE}
    times: dict[str, dict[int, list[float]]] = {name: {n: [] for n in PEOPLE} for name in (OURS, EMBEDDING, AFFINITY)}
    gc.disable()
    try:
        for _ in range(repeats):
            for count in PEOPLE:  # in turns, so that load on the machine affects all methods equally
                for name, task in tasks[count].items():
                    started = time.perf_counter()
                    task()
                    times[name][count].append(1000 * (time.perf_counter() - started))
    finally:
        gc.enable()
    found = {name: {str(n): scenes.found(tasks[n][name](), scenes.scene(n)) for n in PEOPLE} for name in times}
    medians = {
        name: {str(n): round(float(np.median(t)), 3) for n, t in counts.items()} for name, counts in times.items()
    }
    best = {name: {str(n): round(min(t), 3) for n, t in counts.items()} for name, counts in times.items()}
    return {"ms": medians, "best": best, "found": found}


def _tasks(scene: scenes.Scene) -> dict[str, Task]:
    """One call per grouping method; the simulated network output is prepared outside the timed part."""
    cells = scenes.peaks(scene.heatmaps)
    points = [scenes.points_of(one) for one in cells]
    scores: list[Any] = [scene.heatmaps[j].reshape(-1)[one] for j, one in enumerate(cells)]
    tags: list[Any] = [scene.tags[j].reshape(-1)[one] for j, one in enumerate(cells)]
    config = GroupingConfig()
    asked = scenes.candidates(scene.presence, config)
    poses, log_scales = scenes.votes(scene, asked)
    presence = scene.presence.reshape(-1)[asked]
    places = scenes.points_of(asked)

    def ours() -> np.ndarray:
        groups = group(poses, log_scales, places, presence, COCO_17.kappas, config)
        return groups.poses[groups.leader]

    return {
        OURS: ours,
        EMBEDDING: lambda: scenes.joined(points, associative_embedding.group(scores, tags)),
        AFFINITY: lambda: scenes.joined(points, part_affinity.group(points, scene.affinity, COCO_17.links)),
    }
