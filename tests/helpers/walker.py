"""A model that finds a bent body at the red dot, and a less certain one beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.clips import dot_centres
from votepose.poses import Poses
from votepose.skeleton import COCO_17, Skeleton


@dataclass(frozen=True)
class Walker:
    """Two bodies of 40 x 80 pixels; their left knees are bent by 90 degrees, their right ankles are not seen."""

    skeleton: Skeleton = COCO_17
    input_size: int = 96
    presence_threshold: float = 0.5
    flip_test: bool = False
    score_threshold: float = 0.3

    def __call__(self, pixels: np.ndarray) -> Poses:
        body = np.stack([np.arange(17) % 5 * 10.0, np.arange(17) // 5 * 20.0], axis=1)
        body[[11, 13, 15]] = (0, 40), (0, 60), (20, 60)  # left hip, knee, ankle
        points = np.stack([body, body + np.array([60, 0])]) + dot_centres(pixels) - np.array([20, 40])
        sure, seen = np.ones((2, 17)), np.ones((2, 17), bool)
        seen[:, 16] = False
        return Poses(points, sure, seen, np.array([0.9, 0.7]), image_size=pixels.shape[1::-1])
