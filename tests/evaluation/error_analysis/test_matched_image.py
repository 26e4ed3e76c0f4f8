"""Whole people: found, background, split, merged, missed."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np

from helpers.analysed import background_only, picture_of, true_poses, two_people
from votepose.evaluation.error_analysis.matched_image import MatchedImage, count_people

ORDER = ("found", "background", "split", "merged", "missed")


def counts(*pictures: MatchedImage, min_score: float = 0.0) -> dict[str, int]:
    return {k: v for k, v in zip(ORDER, astuple(count_people(pictures, min_score)), strict=True) if v}


def test_a_perfect_detector_finds_all_people() -> None:
    sample = two_people()
    picture = MatchedImage.of(sample, true_poses(sample))
    assert counts(picture) == {"found": 2}
    np.testing.assert_allclose(picture.oks.diagonal(), 1)
    np.testing.assert_array_equal(picture.match, [0, 1])


def test_people_not_found_are_missed_and_false_detections_are_background() -> None:
    sample = two_people()
    none = np.zeros((0, 17, 2))
    far = true_poses(sample).keypoints + 1000
    assert counts(picture_of(sample, none)) == {"missed": 2}
    assert counts(picture_of(sample, far)) == {"missed": 2, "background": 2}
    assert counts(picture_of(background_only(), far)) == {"background": 2}
    assert counts(picture_of(background_only(), none)) == {}


def test_possibly_unlabelled_people_are_not_background() -> None:
    sample = two_people()
    far = true_poses(sample).keypoints + 1000
    crowd = replace(sample, ignore=np.float32([[900, 900, 500, 500]]))
    assert counts(picture_of(crowd, far)) == counts(picture_of(replace(sample, complete=False), far)) == {"missed": 2}


def test_two_skeletons_of_one_person_are_a_split() -> None:
    sample = two_people()
    first, second = true_poses(sample).keypoints
    halves = np.stack([first, first, second])
    halves[0, 8:] += 500  # the upper half is in its place here, the lower half there
    halves[1, :8] += 500
    assert counts(picture_of(sample, halves)) == {"found": 2, "split": 1}


def test_one_skeleton_of_two_people_is_a_merge() -> None:
    sample = two_people()
    first, second = true_poses(sample).keypoints
    both = np.concatenate([first[:8], second[8:]])[None]
    assert counts(picture_of(sample, both)) == {"found": 1, "merged": 1}
    assert counts(picture_of(sample, first[None])) == {"found": 1, "missed": 1}


def test_the_best_by_score_choose_first_and_faint_ones_can_be_left_out() -> None:
    sample = two_people()
    first, second = true_poses(sample).keypoints
    points, scores = np.stack([first + 3, first, second]), np.array([0.9, 0.5, 0.2])
    picture = picture_of(sample, points, scores)
    np.testing.assert_array_equal(picture.match, [0, -1, 1])
    assert counts(picture) == {"found": 2, "split": 1}
    assert counts(picture, min_score=0.6) == {"found": 1, "missed": 1}


def test_no_more_than_coco_counts_are_looked_at() -> None:
    sample = two_people()
    many = np.repeat(true_poses(sample).keypoints[:1], 30, axis=0)
    picture = picture_of(sample, many, np.linspace(0, 1, 30))
    assert len(picture.poses) == 20
    assert picture.poses.scores[0] == 1
