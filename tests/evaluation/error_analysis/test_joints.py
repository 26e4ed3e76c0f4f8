"""Each kind of wrong joint is told from the others, and repairing it repairs the AP."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from helpers.analysed import joints, nobody, picture_of, true_poses, two_people
from votepose.data.coco import CocoDataset, load_coco
from votepose.data.coco_writer import write_coco
from votepose.evaluation.error_analysis.joints import Kind, joint_kinds, repaired
from votepose.evaluation.error_analysis.pictures import Picture
from votepose.evaluation.error_analysis.scoring import Scorer
from votepose.skeleton import COCO_17

SIZE = 60  # of the two people: root of their area


def kinds(picture: Picture) -> Counter[Kind]:
    return Counter(Kind(k) for k in joint_kinds(picture).ravel())


def shifted(share: float) -> np.ndarray:
    """The truth, each joint off by this share of its kappa times the person's size, downwards."""
    points = true_poses(two_people()).keypoints.copy()
    points[..., 1] += share * COCO_17.kappas * SIZE
    return points


def test_a_perfect_detector_has_good_joints_only() -> None:
    assert kinds(picture_of(two_people(), shifted(0))) == {Kind.GOOD: 34}
    assert kinds(picture_of(two_people(), shifted(0.5))) == {Kind.GOOD: 34}  # exp(-0.125) = 0.88


def test_shifted_joints_are_jitter() -> None:
    assert kinds(picture_of(two_people(), shifted(1.0))) == {Kind.JITTER: 34}  # exp(-0.5) = 0.61


def test_left_for_right_is_an_inversion_and_its_repair_wins_everything(tmp_path: Path) -> None:
    write_coco(CocoDataset([two_people(size=20)], COCO_17), tmp_path)
    dataset = load_coco(tmp_path)
    truth = true_poses(dataset.samples[0]).keypoints
    limbs = joints("elbow", "wrist", "knee", "ankle")
    crossed = truth.copy()
    crossed[:, limbs] = truth[:, COCO_17.flip[limbs]]
    picture, scorer = picture_of(dataset.samples[0], crossed), Scorer.of(dataset)
    assert kinds(picture) == {Kind.GOOD: 18, Kind.INVERSION: 16}
    assert scorer.changed([picture], lambda p: p.poses).ap < 0.5
    assert scorer.changed([picture], lambda p: repaired(p, joint_kinds(p), Kind.SWAP)).ap < 0.5
    assert scorer.changed([picture], lambda p: repaired(p, joint_kinds(p), Kind.INVERSION)).ap == pytest.approx(1)


def test_the_nearer_of_two_wrong_places_counts() -> None:
    sample = two_people(apart=-18, size=40)  # the other's left knee is where one's right knee is, but for 9 pixels
    truth = true_poses(sample).keypoints
    points = truth.copy()
    left, right = joints("knee")
    points[0, left] = truth[0, right]
    picture = picture_of(sample, points)
    assert joint_kinds(picture)[0, left] == Kind.INVERSION
    points[0, left] = truth[1, left]
    assert joint_kinds(picture_of(sample, points))[0, left] == Kind.SWAP


def test_joints_of_somebody_else_are_swaps() -> None:
    sample = two_people()
    truth = true_poses(sample).keypoints
    exchanged = truth.copy()
    arms = joints("elbow", "wrist")
    exchanged[:, arms] = truth[::-1][:, arms]
    picture = picture_of(sample, exchanged)
    assert kinds(picture) == {Kind.GOOD: 26, Kind.SWAP: 8}
    np.testing.assert_allclose(repaired(picture, joint_kinds(picture), Kind.SWAP).keypoints, truth)
    np.testing.assert_array_equal(repaired(picture, joint_kinds(picture), Kind.MISS).keypoints, picture.poses.keypoints)


def test_joints_on_nothing_are_misses() -> None:
    points = shifted(0)
    points[:, 9] += (0, 300)
    assert kinds(picture_of(two_people(), points)) == {Kind.GOOD: 32, Kind.MISS: 2}


@pytest.mark.parametrize("labelled", [1, 5, 17])
def test_only_labelled_joints_of_found_people_are_judged(labelled: int) -> None:
    sample = two_people(labelled=labelled)
    points = np.concatenate([true_poses(sample).keypoints, true_poses(sample).keypoints[:1] + 1000])
    judged = joint_kinds(picture_of(sample, points))
    assert (judged[2] == Kind.UNJUDGED).all()
    np.testing.assert_array_equal((judged[:2] != Kind.UNJUDGED).sum(axis=1), labelled)


def test_a_picture_of_nobody_has_no_kinds() -> None:
    picture = picture_of(nobody(), shifted(0))
    assert kinds(picture) == {Kind.UNJUDGED: 34}
    assert repaired(picture, joint_kinds(picture), Kind.MISS) is picture.poses
