"""The gallery's grades: they fall with errors, missed people and false detections."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.analysed import moved, true_poses
from votepose.data.toy import synthetic_dataset
from votepose.evaluation.gallery import grade
from votepose.poses import Poses
from votepose.skeleton import COCO_17


def test_grades_fall_with_errors_misses_and_inventions() -> None:
    sample = synthetic_dataset(1, 256, people=(3, 3), seed=2).samples[0]
    assert len(sample.keypoints) == 3
    perfect = true_poses(sample)
    assert grade(sample, perfect) == pytest.approx(1)
    assert (
        0
        < grade(
            sample, moved(perfect, perfect.keypoints + np.random.default_rng(0).normal(0, 3, perfect.keypoints.shape))
        )
        < 0.99
    )
    assert grade(sample, perfect[:2]) == pytest.approx(0.8)
    assert grade(sample, Poses.empty(COCO_17, (256, 256))) == 0
    far = replace(perfect, keypoints=perfect.keypoints - 10_000)
    both = replace(
        perfect,
        **{
            n: np.concatenate([getattr(p, n) for p in (perfect, far)])
            for n in ("keypoints", "confidences", "seen", "scores")
        },
    )
    assert grade(sample, both) == pytest.approx(2 / 3)
    ignoring = replace(sample, ignore=np.array([[-20_000, -20_000, 19_000, 19_000]], np.float32))
    assert grade(ignoring, both) == pytest.approx(1)
