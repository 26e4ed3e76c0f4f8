"""`votepose evaluate`: COCO keypoint AP of a weights file on a folder of pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from votepose.data.coco import CocoDataset
from votepose.letterbox import Letterbox
from votepose.network.estimator import PoseEstimator
from votepose.poses import Poses


def estimate(estimator: PoseEstimator, image: np.ndarray, size: int, threshold: float, skeleton: Any) -> Poses:
    """The people of one picture (height, width, 3) uint8, in its own pixels."""
    height, width = image.shape[:2]
    box = Letterbox.fit(width, height, size)
    device = estimator.kappas.device
    pixels = torch.from_numpy(box.apply(image))[None].to(device)
    with torch.inference_mode():
        people = estimator(pixels, torch.tensor(threshold, device=device))
    keypoints = box.to_image(people.keypoints.float().cpu().numpy(), 1)
    return Poses(keypoints, people.confidences.float().cpu().numpy(), people.seen.cpu().numpy(),
                 people.scores.float().cpu().numpy(), skeleton, (width, height))  # fmt: skip


def coco_results(estimator: PoseEstimator, dataset: CocoDataset, size: int, limit: int | None = None,
                 progress: bool = True) -> list[dict[str, Any]]:  # fmt: skip
    """COCO results of a dataset's first `limit` pictures."""
    results: list[dict[str, Any]] = []
    samples = dataset.samples[:limit]
    for sample in track(samples, "evaluating", disable=not progress):
        poses = estimate(estimator, sample.image, size, estimator.config.presence_threshold, dataset.skeleton)
        results += poses.to_coco(sample.image_id)
    return results
