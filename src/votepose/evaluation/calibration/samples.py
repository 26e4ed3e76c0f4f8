"""Collects a network's predictions for labelled images together with the observed values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from votepose.data.sample import Sample
from votepose.evaluation.matching import labelled_similarities, matched_oks, optimal_match, sample_oks_matrix
from votepose.evaluation.network import run_estimator
from votepose.inference.graph_outputs import PEOPLE, people_rows
from votepose.models.calibration import Calibration
from votepose.models.estimator import PoseEstimator
from votepose.skeleton import Skeleton
from votepose.utils.progress import track

MATCHED = 0.3  # minimum OKS of a match whose joints are evaluated


@dataclass(frozen=True)
class CalibrationSamples:
    """P people found, with the network's uncalibrated predictions and the observed values.

    Attributes:
        confidences, logits: (P, K) confidences of the joints, and logits of their visibility.
        scores: (P,) scores of the people.
        kept: (P, K) observed OKS of each joint; 0 where unknown.
        labelled, visible: (P, K) bool: whether the joint is labelled, and whether as visible. Joints of background and
            of poor matches count as not labelled.
        oks: (P,) OKS with the matched person; 0 for background.
        picture: (P,) int, index of the image.
    """

    confidences: np.ndarray
    logits: np.ndarray
    scores: np.ndarray
    kept: np.ndarray
    labelled: np.ndarray
    visible: np.ndarray
    oks: np.ndarray
    picture: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> CalibrationSamples:
        return CalibrationSamples(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


class _Uncalibrated(Calibration):
    """Passes all predictions through unchanged, including visibility logits."""

    def is_seen(self, logits: Tensor) -> Tensor:
        return logits


def collect_samples(
    estimator: PoseEstimator, samples: Sequence[Sample], size: int, skeleton: Skeleton
) -> CalibrationSamples:
    """Run the estimator uncalibrated on images letterboxed to `size`, and compare with the labels."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    calibration, estimator.calibration = estimator.calibration, _Uncalibrated()
    try:
        estimator.to(device)
        shown = track(samples, "predicting")
        parts = [_of_picture(estimator, sample, number, size, skeleton.kappas) for number, sample in enumerate(shown)]
    finally:
        estimator.calibration = calibration
    columns = ([getattr(part, name) for part in parts] for name in CalibrationSamples.__dataclass_fields__)
    return CalibrationSamples(*(np.concatenate(column) for column in columns))


def _of_picture(
    estimator: PoseEstimator, sample: Sample, number: int, size: int, kappas: np.ndarray
) -> CalibrationSamples:
    """The people found in one image, without those that may be unlabelled."""
    outputs, box = run_estimator(estimator, sample.image, size, float(estimator.config.presence_threshold))
    rows = people_rows(outputs, 0, kappas)
    _, keypoints, confidences, logits, scores = (outputs[name][rows] for name in PEOPLE)
    poses = box.to_image(keypoints, 1)
    matrix = sample_oks_matrix(poses, sample, kappas)
    match = optimal_match(matrix)
    oks = matched_oks(matrix, match).astype(np.float32)
    kept, v = np.zeros(poses.shape[:2], np.float32), np.zeros(poses.shape[:2])
    matched = oks >= MATCHED
    kept[matched] = labelled_similarities(poses[:, None], sample, kappas)[matched, match[matched]]
    v[matched] = sample.keypoints[match[matched], :, 2]
    counts = matched | ~sample.may_be_unlabelled(poses.mean(axis=1))
    picture = np.full(len(poses), number)
    return CalibrationSamples(confidences, logits, scores, kept, v > 0, v == 2, oks, picture)[counts]
