"""What a network believed of the people in labelled pictures, beside what was true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from votepose.data.coco import Sample
from votepose.evaluation.error_analysis.pictures import likenesses, similarity
from votepose.letterbox import Letterbox
from votepose.models.calibration import Calibration
from votepose.models.estimator import PoseEstimator
from votepose.skeleton import Skeleton
from votepose.utils.assignment import assign
from votepose.utils.progress import track

MATCHED = 0.3  # OKS from which a person found is a labelled one, and its joints are judged


@dataclass(frozen=True)
class Evidence:
    """P people found, as the network believed of them, uncalibrated, and what was true.

    Attributes:
        confidences, logits: (P, K) of the joints, and of their visibility.
        scores: (P,).
        kept: (P, K) share of OKS that each joint keeps; 0 where the truth is not known.
        labelled, visible: (P, K) bool: the truth is known, and is that the joint can be seen. Nobody's joints, and
            those of people found too far off, are not labelled.
        oks: (P,) with the labelled person; 0 for who is nobody.
        picture: (P,) int, where they were found.
    """

    confidences: np.ndarray
    logits: np.ndarray
    scores: np.ndarray
    kept: np.ndarray
    labelled: np.ndarray
    visible: np.ndarray
    oks: np.ndarray
    picture: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Evidence:
        return Evidence(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


class _Uncalibrated(Calibration):
    """Lets every belief through, the logits of visibility, too."""

    def is_seen(self, logits: Tensor) -> Tensor:
        return logits


def gather(estimator: PoseEstimator, samples: Sequence[Sample], size: int, skeleton: Skeleton) -> Evidence:
    """What the estimator believes of the people in pictures, uncalibrated, beside what is true."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    calibration, estimator.calibration = estimator.calibration, _Uncalibrated()
    try:
        estimator.to(device)
        shown = track(samples, "looking")
        parts = [_judged(estimator, sample, number, size, skeleton.kappas) for number, sample in enumerate(shown)]
    finally:
        estimator.calibration = calibration
    columns = ([getattr(part, name) for part in parts] for name in Evidence.__dataclass_fields__)
    return Evidence(*(np.concatenate(column) for column in columns))


def _judged(estimator: PoseEstimator, sample: Sample, number: int, size: int, kappas: np.ndarray) -> Evidence:
    """The people found in one picture; who may be somebody unlabelled is left out."""
    height, width = sample.image.shape[:2]
    box, device = Letterbox.fit(width, height, size), estimator.kappas.device
    with torch.inference_mode():
        pixels = torch.from_numpy(box.apply(sample.image))[None].to(device)
        people = estimator(pixels, torch.tensor(float(estimator.config.presence_threshold), device=device))
    poses = box.to_image(people.keypoints.float().cpu().numpy(), 1)
    confidences, logits, scores = (x.float().cpu().numpy() for x in (people.confidences, people.seen, people.scores))
    likeness, owner = match(poses, sample, kappas)
    kept, v = np.zeros(poses.shape[:2], np.float32), np.zeros(poses.shape[:2])
    matched = likeness >= MATCHED
    kept[matched] = similarity(poses[:, None], sample, kappas)[matched, owner[matched]]
    v[matched] = sample.keypoints[owner[matched], :, 2]
    counts = matched | ~sample.untold(poses.mean(axis=1))
    picture = np.full(len(poses), number)
    return Evidence(confidences, logits, scores, kept, v > 0, v == 2, likeness, picture)[counts]


def match(poses: np.ndarray, sample: Sample, kappas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P,) the OKS of poses (P, K, 2) with their labelled person, and (P,) who that is, -1 for nobody.

    Of the ways to give everybody at most one, that of the largest sum.
    """
    likeness, owner = np.zeros(len(poses), np.float32), np.full(len(poses), -1)
    pairs = likenesses(poses, sample, kappas)
    rows, columns = assign(pairs)
    likeness[rows], owner[rows] = pairs[rows, columns], columns
    return likeness, owner
