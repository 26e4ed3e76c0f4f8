"""Images of drawn people, and detectors of known faults."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from votepose.data.coco_writer import write_coco
from votepose.data.labelled import LabelledDataset, load_labelled
from votepose.data.sample import Sample
from votepose.data.toy import synthetic_dataset
from votepose.evaluation.error_analysis.matched_image import MatchedImage
from votepose.poses import Poses
from votepose.skeleton import COCO_17


def write_data(folder: Path, count: int = 4, people: tuple[int, int] = (2, 3), size: int = 256) -> LabelledDataset:
    """A folder of drawn people, as `load_labelled` reads it."""
    write_coco(synthetic_dataset(count, size, people=people), folder)
    return load_labelled(folder)


def true_poses(sample: Sample) -> Poses:
    """What a perfect detector finds; unlabelled joints lie in the corner."""
    points = sample.keypoints[..., :2]
    ones = np.ones(points.shape[:2])
    height, width = sample.image.shape[:2]
    return Poses(points, ones, sample.keypoints[..., 2] == 2, np.ones(len(points)), COCO_17, (width, height))


def moved(poses: Poses, points: np.ndarray, scores: np.ndarray | None = None) -> Poses:
    """The same number of people or others, somewhere else."""
    ones = np.ones(points.shape[:2])
    chosen = np.ones(len(points)) if scores is None else scores
    return replace(poses, keypoints=points, confidences=ones, seen=ones > 0, scores=chosen)


def two_people(apart: float = 100.0, labelled: int = 17, size: float = 60.0) -> Sample:
    """Two equal people beside each other, `apart` pixels, of area `size` squared; the first `labelled` joints are
    labelled. All joints are at least 9 pixels from each other."""
    body = np.stack([10 + 9.0 * (np.arange(17) % 5), 10 + 14.0 * (np.arange(17) // 5)], axis=1)
    points = np.stack([body, body + np.array([apart, 0])])
    v = np.where(np.arange(17) < labelled, 2, 0)
    keypoints = np.concatenate([points, np.broadcast_to(v[:, None], (2, 17, 1))], axis=2).astype(np.float32)
    boxes = np.float32([[0, 0, 60, 80], [apart, 0, 60, 80]])
    image = np.zeros((120, 320, 3), np.uint8)
    return Sample(1, "two.png", image, keypoints, boxes, np.float32([size**2, size**2]), np.zeros((0, 4), np.float32))


def background_only() -> Sample:
    """An image without people."""
    sample = two_people()
    return replace(sample, keypoints=sample.keypoints[:0], boxes=sample.boxes[:0], areas=sample.areas[:0])


def joints(*parts: str) -> list[int]:
    """Both sides' indices of these parts."""
    return [COCO_17.names.index(f"{side}_{part}") for part in parts for side in ("left", "right")]


def picture_of(sample: Sample, points: np.ndarray, scores: np.ndarray | None = None) -> MatchedImage:
    """The image where these (P, K, 2) were found."""
    return MatchedImage.of(sample, moved(true_poses(sample), points, scores))
