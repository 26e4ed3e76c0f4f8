"""Writes a folder of the worst and best images, with detections on the left and labels on the right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from votepose.data.label_poses import label_poses
from votepose.data.sample import Sample
from votepose.evaluation.matching import greedy_match, matched_oks, sample_oks_matrix
from votepose.inference.defaults import SCORE_THRESHOLD
from votepose.io.files import save_picture
from votepose.poses import Poses
from votepose.visualization.draw import Style, draw

_GAP = 8  # pixels between the drawings


def write_gallery(folder: Path, found: Sequence[tuple[Sample, Poses]], examples: int) -> int:
    """Draw the `examples` worst and best images as worst-01-0.12-NAME.jpg, best-01-0.98-NAME.jpg.

    Only people that `predict` would show are drawn and graded. Images without labelled people are left out.

    Returns:
        The number of drawings.
    """
    shown = [(sample, poses.above(SCORE_THRESHOLD)) for sample, poses in found if len(sample.keypoints)]
    grades = [grade(sample, poses) for sample, poses in shown]
    order = np.argsort(grades, kind="stable")
    worst, best = order[:examples], order[::-1][: min(examples, max(0, len(order) - examples))]
    for kind, chosen in (("worst", worst), ("best", best)):
        for rank, k in enumerate(chosen, start=1):
            sample, poses = shown[k]
            name = f"{kind}-{rank:02d}-{grades[k]:.2f}-{Path(sample.name).stem}.jpg"
            save_picture(_side_by_side(sample, poses), folder / name)
    return len(worst) + len(best)


def grade(sample: Sample, poses: Poses) -> float:
    """The quality of an image's detections in [0, 1]: an F1 score in which each match counts with its OKS.

    It is 1 if there are no people and none were found. Detections where unlabelled people may be do not count.
    """
    matrix = sample_oks_matrix(poses.keypoints, sample, poses.skeleton.kappas)
    match = greedy_match(matrix)
    counted = (match >= 0) | ~sample.may_be_unlabelled(poses.keypoints.mean(axis=1))
    people = len(sample.keypoints) + int(counted.sum())
    return 2 * float(matched_oks(matrix, match).sum()) / people if people else 1.0


def _side_by_side(sample: Sample, poses: Poses) -> Image.Image:
    style = Style(scores=True)
    height, width = sample.image.shape[:2]
    sheet = Image.new("RGB", (2 * width + _GAP, height), (255, 255, 255))
    sheet.paste(draw(sample.image, poses, style), (0, 0))
    sheet.paste(draw(sample.image, label_poses(sample, poses.skeleton), style), (width + _GAP, 0))
    return sheet
