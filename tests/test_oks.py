"""OKS on arrays: COCO's formula, on NumPy arrays and tensors; body sizes; suppression of copies."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from votepose.oks import body_sizes, joint_similarities, oks, oks_nms
from votepose.skeleton import COCO_17

BODY = np.random.default_rng(0).uniform(0, 1, (17, 2)) * (40, 100)
KAPPAS = COCO_17.kappas
AS = pytest.mark.parametrize("of", [np.asarray, torch.as_tensor])


@AS
def test_oks_is_cocos_formula(of: object) -> None:
    moved, size = BODY + np.array([3.0, 4.0]), 50.0
    expected = np.exp(-25 / (2 * (KAPPAS * size) ** 2))
    poses, others, sizes, kappas = (of(x) for x in (BODY, np.stack([moved, BODY]), np.array([size, size]), KAPPAS))  # type: ignore[operator]
    np.testing.assert_allclose(joint_similarities(poses, others, sizes, kappas), [expected, np.ones(17)])
    np.testing.assert_allclose(oks(poses, others, sizes, kappas), [expected.mean(), 1.0])
    weights = of((np.arange(17) < 3) * 2.0)  # type: ignore[operator]
    np.testing.assert_allclose(oks(poses, others, sizes, kappas, weights), [expected[:3].mean(), 1.0])
    np.testing.assert_allclose(oks(poses, others, sizes, kappas, weights * 0), 0)


@AS
def test_a_size_is_the_root_of_the_boxs_area_and_no_smaller_than_half_its_length(of: object) -> None:
    boxes = np.array([[(0, 0), (40, 90)], [(0, 0), (1, 90)], [(5, 5), (5, 5)]], float)
    np.testing.assert_allclose(body_sizes(of(boxes)), [60, 45, 2])  # type: ignore[operator]


def test_copies_of_a_better_pose_are_suppressed_within_their_image() -> None:
    poses = np.stack([BODY, BODY + 1, BODY + 500, BODY + 1])
    kept = oks_nms(poses, np.array([0.9, 0.8, 0.7, 0.6]), np.array([0, 0, 0, 1]), KAPPAS, 0.8)
    assert kept.tolist() == [True, False, True, True]
