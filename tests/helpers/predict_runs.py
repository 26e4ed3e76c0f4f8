"""The inputs and results of `votepose predict`, and a model that finds two people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.clips import dot_centres
from helpers.fake_model import red_dot, save_jpeg
from votepose.poses import Poses
from votepose.skeleton import COCO_17, Skeleton


@dataclass(frozen=True)
class Tall:
    """Finds a body of 40 x 80 pixels at the red dot, and another beside it, both shaken a little."""

    skeleton: Skeleton = COCO_17
    input_size: int = 96
    presence_threshold: float = 0.5
    flip_test: bool = False
    score_threshold: float = 0.3

    def __call__(self, pixels: np.ndarray) -> Poses:
        random = np.random.default_rng(int(pixels.sum()))
        body = np.stack([np.arange(17) % 5 * 10.0, np.arange(17) // 5 * 20.0], axis=1) + dot_centres(pixels)
        points = np.stack([body, body + np.array([60, 0])]) + random.normal(0, 0.5, (2, 17, 2))
        sure = np.ones((2, 17))
        order = random.permutation(2)  # who is first is no sign of who it is
        return Poses(points[order], sure, sure, np.array([0.9, 0.8]), image_size=pixels.shape[1::-1])


def records(out: str = "out") -> list[dict]:
    return [json.loads(line) for line in Path(out, "poses.jsonl").read_text().splitlines()]


def photos(count: int) -> list[Path]:
    return [save_jpeg(Path(f"{k}.jpg"), red_dot(96, 64, 30, 20, 16)) for k in range(count)]
