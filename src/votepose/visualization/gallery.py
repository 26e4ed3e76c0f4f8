"""A folder of the pictures that went worst and best: the found drawn on the left, the labelled on the right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from votepose.data.coco import Sample
from votepose.inference.defaults import SCORE_THRESHOLD
from votepose.io.files import save_picture
from votepose.oks import oks
from votepose.poses import Poses
from votepose.visualization.draw import Style, draw

_GAP = 8  # pixels between the two drawings


def write_gallery(folder: Path, found: Sequence[tuple[Sample, Poses]], examples: int) -> int:
    """Draw the `examples` worst and best pictures as worst-01-0.12-NAME.jpg, best-01-0.98-NAME.jpg; how many in all.

    Drawn, and judged, are people over the score that `predict` shows. Pictures where nobody is labelled are left out.
    """
    shown = [(sample, poses.above(SCORE_THRESHOLD)) for sample, poses in found if len(sample.keypoints)]
    grades = [grade(sample, poses) for sample, poses in shown]
    order = np.argsort(grades, kind="stable")
    worst, best = order[:examples], order[::-1][: min(examples, max(0, len(order) - examples))]
    for kind, chosen in (("worst", worst), ("best", best)):
        for place, k in enumerate(chosen, start=1):
            sample, poses = shown[k]
            name = f"{kind}-{place:02d}-{grades[k]:.2f}-{Path(sample.name).stem}.jpg"
            save_picture(_side_by_side(sample, poses), folder / name)
    return len(worst) + len(best)


def grade(sample: Sample, poses: Poses) -> float:
    """How right a picture went, in [0, 1]: F1 with every match counted as its OKS; 1 where nobody is and was found.

    Each labelled person is matched with the likeliest of the found who are left, the best match first. People found in
    ignore regions count for nothing.
    """
    likeness = _likeness(sample, poses)
    matched, total = np.zeros(len(poses), bool), 0.0
    for _ in range(min(likeness.shape)):
        row, column = np.unravel_index(likeness.argmax(), likeness.shape)
        if likeness[row, column] <= 0:
            break
        total += likeness[row, column]
        matched[column] = True
        likeness[row], likeness[:, column] = 0, 0
    counted = matched | ~_ignored(sample, poses)
    people = len(sample.keypoints) + int(counted.sum())
    return 2 * total / people if people else 1.0


def _likeness(sample: Sample, poses: Poses) -> np.ndarray:
    """(N, P) OKS of the labelled with the found, over labelled joints."""
    labelled = (sample.keypoints[:, None, :, 2] > 0).astype(np.float32)
    sizes = np.sqrt(np.maximum(sample.areas, 1))[:, None]
    return oks(poses.keypoints[None], sample.keypoints[:, None, :, :2], sizes, poses.skeleton.kappas, labelled)


def _ignored(sample: Sample, poses: Poses) -> np.ndarray:
    """(P,) bool: the middle of the person lies in an ignore box."""
    middles = poses.keypoints.mean(axis=1)[:, None]
    low, high = sample.ignore[:, :2], sample.ignore[:, :2] + sample.ignore[:, 2:]
    return ((middles >= low) & (middles < high)).all(axis=-1).any(axis=-1)


def _side_by_side(sample: Sample, poses: Poses) -> Image.Image:
    style = Style(scores=True)
    height, width = sample.image.shape[:2]
    sheet = Image.new("RGB", (2 * width + _GAP, height), (255, 255, 255))
    sheet.paste(draw(sample.image, poses, style), (0, 0))
    sheet.paste(draw(sample.image, _labelled(sample, poses), style), (width + _GAP, 0))
    return sheet


def _labelled(sample: Sample, like: Poses) -> Poses:
    """The truth as `Poses`; unlabelled joints have no confidence, so that they are not drawn."""
    known = sample.keypoints[..., 2] > 0
    weights = known[..., None] / known.sum(axis=1)[:, None, None]
    middles = (sample.keypoints[..., :2] * weights).sum(axis=1, keepdims=True)
    points = np.where(known[..., None], sample.keypoints[..., :2], middles)
    return Poses(points, known, sample.keypoints[..., 2] > 1, np.ones(len(points)), like.skeleton, like.image_size)
