"""Matching: no labelled person twice, each way by its own rule, and nothing where there is nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.analysed import background_only, true_poses, two_people
from votepose.data.sample import Sample
from votepose.data.toy import synthetic_dataset
from votepose.evaluation.matching import (
    coco_match,
    greedy_match,
    labelled_similarities,
    labelled_sizes,
    matched_oks,
    most_similar,
    oks_matrix,
    optimal_match,
    sample_oks_matrix,
)
from votepose.skeleton import COCO_17

KAPPAS = COCO_17.kappas
# greedy takes 0.9 first and leaves 0.3; the best sum is 0.8 + 0.7; in the rows' order 0.8 comes first
MATRIX = np.array([[0.8, 0.0], [0.9, 0.7], [0.0, 0.3]])


def test_each_match_follows_its_own_rule() -> None:
    assert greedy_match(MATRIX).tolist() == [-1, 0, 1]
    assert optimal_match(MATRIX).tolist() == [0, 1, -1]
    assert coco_match(MATRIX, 0.1).tolist() == [0, 1, -1]
    assert coco_match(MATRIX[::-1], 0.1).tolist() == [1, 0, -1]
    assert coco_match(MATRIX, 0.75).tolist() == [0, -1, -1]
    assert MATRIX.max() == 0.9  # unchanged


def test_matched_oks_is_that_of_the_match() -> None:
    assert matched_oks(MATRIX, greedy_match(MATRIX)).tolist() == [0, 0.9, 0.3]
    assert matched_oks(MATRIX, optimal_match(MATRIX)).tolist() == [0.8, 0.7, 0]


@pytest.mark.parametrize("of", [np.asarray, torch.from_numpy])
def test_the_most_similar_may_be_taken_twice(of: object) -> None:
    assert most_similar(of(MATRIX), 0.5).tolist() == [0, 0, -1]  # type: ignore[operator]
    assert most_similar(of(MATRIX[:, :0]), 0.5).tolist() == [-1, -1, -1]  # type: ignore[operator]


def test_no_labelled_person_is_matched_twice() -> None:
    samples = synthetic_dataset(8, 256, people=(1, 2)).samples
    sample = next(sample for sample in samples if len(sample.keypoints) == 2)
    poses = sample.keypoints[[0, 0, 1], :, :2] + np.float32([[[8, 0]], [[1, 0]], [[0, 0]]])
    matrix = sample_oks_matrix(poses, sample, KAPPAS)
    match = optimal_match(matrix)
    oks = matched_oks(matrix, match)
    assert match.tolist() == [-1, 0, 1]
    assert oks[0] == 0 < oks[1] < oks[2]


def test_nothing_is_matched_where_there_is_nothing() -> None:
    some = true_poses(two_people()).keypoints
    for poses, sample in ((some[:0], two_people()), (some, background_only()), (some[:0], background_only())):
        matrix = sample_oks_matrix(poses, sample, KAPPAS)
        assert matrix.shape == (len(poses), len(sample.keypoints))
        for match in (greedy_match(matrix), optimal_match(matrix), coco_match(matrix, 0.1)):
            assert match.tolist() == [-1] * len(poses)
            assert matched_oks(matrix, match).tolist() == [0] * len(poses)


def half_labelled() -> Sample:
    return two_people(labelled=8)


def test_oks_is_the_mean_of_the_labelled_joints_similarities() -> None:
    sample = half_labelled()
    poses = true_poses(sample).keypoints + np.random.default_rng(0).normal(0, 5, (2, 17, 2))
    similarities = labelled_similarities(poses[:, None], sample, KAPPAS)
    assert similarities.shape == (2, 2, 17)
    assert not similarities[..., 8:].any()
    np.testing.assert_allclose(sample_oks_matrix(poses, sample, KAPPAS), similarities[..., :8].mean(-1), rtol=1e-5)
    squared = ((poses[0, 3] - sample.keypoints[0, 3, :2]) ** 2).sum()
    assert similarities[0, 0, 3] == pytest.approx(np.exp(-squared / (2 * KAPPAS[3] ** 2 * sample.areas[0])), rel=1e-4)


def test_tensors_have_the_oks_of_arrays() -> None:
    sample = half_labelled()
    poses = true_poses(sample).keypoints + 3
    arrays = poses, sample.keypoints[..., :2], sample.keypoints[..., 2] > 0, labelled_sizes(sample), KAPPAS
    found = oks_matrix(*(torch.as_tensor(array) for array in arrays))
    np.testing.assert_allclose(found, sample_oks_matrix(poses, sample, KAPPAS), rtol=1e-5)


def test_a_person_without_an_area_has_a_size() -> None:
    assert labelled_sizes(replace(two_people(), areas=np.float32([0, 400]))).tolist() == [1, 20]
