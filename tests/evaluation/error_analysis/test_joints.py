"""Each type of joint error is distinguished from the others, and correcting it restores the AP."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from helpers.analysed import background_only, joints, picture_of, true_poses, two_people
from votepose.data.coco_writer import write_coco
from votepose.data.labelled import LabelledDataset, load_labelled
from votepose.evaluation.error_analysis.joints import JointErrorType, corrected, joint_error_types
from votepose.evaluation.error_analysis.matched_image import MatchedImage
from votepose.evaluation.error_analysis.scoring import Scorer
from votepose.skeleton import COCO_17

SIZE = 60  # of the two people: root of their area


def error_types(picture: MatchedImage) -> Counter[JointErrorType]:
    return Counter(JointErrorType(k) for k in joint_error_types(picture).ravel())


def shifted(share: float) -> np.ndarray:
    """The truth, each joint off by this share of its kappa times the person's size, downwards."""
    points = true_poses(two_people()).keypoints.copy()
    points[..., 1] += share * COCO_17.kappas * SIZE
    return points


def test_a_perfect_detector_has_good_joints_only() -> None:
    assert error_types(picture_of(two_people(), shifted(0))) == {JointErrorType.GOOD: 34}
    assert error_types(picture_of(two_people(), shifted(0.5))) == {JointErrorType.GOOD: 34}  # exp(-0.125) = 0.88


def test_shifted_joints_are_jitter() -> None:
    assert error_types(picture_of(two_people(), shifted(1.0))) == {JointErrorType.JITTER: 34}  # exp(-0.5) = 0.61


def test_left_for_right_is_an_inversion_and_correcting_it_restores_the_ap(tmp_path: Path) -> None:
    write_coco(LabelledDataset([two_people(size=20)], COCO_17), tmp_path)
    dataset = load_labelled(tmp_path)
    truth = true_poses(dataset.samples[0]).keypoints
    limbs = joints("elbow", "wrist", "knee", "ankle")
    crossed = truth.copy()
    crossed[:, limbs] = truth[:, COCO_17.flip[limbs]]
    picture, scorer = picture_of(dataset.samples[0], crossed), Scorer.of(dataset)
    assert error_types(picture) == {JointErrorType.GOOD: 18, JointErrorType.INVERSION: 16}
    assert scorer.changed([picture], lambda p: p.poses).ap < 0.5
    assert scorer.changed([picture], lambda p: corrected(p, joint_error_types(p), JointErrorType.SWAP)).ap < 0.5
    assert scorer.changed(
        [picture], lambda p: corrected(p, joint_error_types(p), JointErrorType.INVERSION)
    ).ap == pytest.approx(1)


def test_the_nearer_of_two_wrong_places_counts() -> None:
    sample = two_people(apart=-18, size=40)  # the other's left knee is where one's right knee is, but for 9 pixels
    truth = true_poses(sample).keypoints
    points = truth.copy()
    left, right = joints("knee")
    points[0, left] = truth[0, right]
    picture = picture_of(sample, points)
    assert joint_error_types(picture)[0, left] == JointErrorType.INVERSION
    points[0, left] = truth[1, left]
    assert joint_error_types(picture_of(sample, points))[0, left] == JointErrorType.SWAP


def test_joints_of_another_person_are_swaps() -> None:
    sample = two_people()
    truth = true_poses(sample).keypoints
    exchanged = truth.copy()
    arms = joints("elbow", "wrist")
    exchanged[:, arms] = truth[::-1][:, arms]
    picture = picture_of(sample, exchanged)
    assert error_types(picture) == {JointErrorType.GOOD: 26, JointErrorType.SWAP: 8}
    np.testing.assert_allclose(corrected(picture, joint_error_types(picture), JointErrorType.SWAP).keypoints, truth)
    np.testing.assert_array_equal(
        corrected(picture, joint_error_types(picture), JointErrorType.MISS).keypoints, picture.poses.keypoints
    )


def test_joints_on_nothing_are_misses() -> None:
    points = shifted(0)
    points[:, 9] += (0, 300)
    assert error_types(picture_of(two_people(), points)) == {JointErrorType.GOOD: 32, JointErrorType.MISS: 2}


@pytest.mark.parametrize("labelled", [1, 5, 17])
def test_only_labelled_joints_of_found_people_are_judged(labelled: int) -> None:
    sample = two_people(labelled=labelled)
    points = np.concatenate([true_poses(sample).keypoints, true_poses(sample).keypoints[:1] + 1000])
    judged = joint_error_types(picture_of(sample, points))
    assert (judged[2] == JointErrorType.UNJUDGED).all()
    np.testing.assert_array_equal((judged[:2] != JointErrorType.UNJUDGED).sum(axis=1), labelled)


def test_a_picture_without_people_has_no_error_types() -> None:
    picture = picture_of(background_only(), shifted(0))
    assert error_types(picture) == {JointErrorType.UNJUDGED: 34}
    assert corrected(picture, joint_error_types(picture), JointErrorType.MISS) is picture.poses
