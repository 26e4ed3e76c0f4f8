"""OKS on arrays: COCO's formula, on NumPy arrays and tensors; body sizes; suppression of copies."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from votepose.oks import body_sizes, joint_similarities, oks, oks_nms, without_doubles
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


def crowd() -> tuple[np.ndarray, np.ndarray]:
    """60 poses (P, K, 2) of 4 people, best first, and their confidences (P, K); unsure joints are far off."""
    rng = np.random.default_rng(0)
    confidences = rng.choice([0.1, 1.0], (60, 17))
    noise = rng.uniform(0, 6, (60, 1)) + (confidences < 1) * rng.uniform(0, 60, (60, 1))
    bodies = rng.uniform(0, 300, (4, 1, 2)) + BODY
    return bodies[rng.integers(0, 4, 60)] + noise[..., None] * rng.normal(size=(60, 17, 2)), confidences


def test_suppression_compares_by_the_smaller_size() -> None:
    poses, _ = crowd()
    scores, sizes = np.linspace(1, 0, 60), body_sizes(poses)
    expected = [
        all(oks(poses[i], poses[j], np.minimum(sizes[i], sizes[j]), KAPPAS) <= 0.4 for j in range(i)) for i in range(60)
    ]
    assert 10 < sum(expected) < 50
    assert oks_nms(poses, scores, np.zeros(60), KAPPAS, 0.4).tolist() == expected


def test_doubles_overlap_and_agree_in_confident_joints_with_a_pose_that_is_kept() -> None:
    poses, confidences = crowd()
    sizes, kept = body_sizes(poses), list[int]()

    def double(i: int, j: int) -> bool:
        similarity = oks(poses[i], poses[j], np.minimum(sizes[i], sizes[j]), KAPPAS, confidences[i] * confidences[j])
        low, high = np.maximum(poses[i].min(0), poses[j].min(0)), np.minimum(poses[i].max(0), poses[j].max(0))
        shared = float((high - low).clip(0).prod())
        areas = sum(float((poses[k].max(0) - poses[k].min(0)).prod()) for k in (i, j))
        return bool(similarity > 0.72 and shared / (areas - shared) > 0.3)

    for i in range(60):
        if not any(double(i, j) for j in kept):
            kept.append(i)
    assert 10 < len(kept) < 50
    assert np.flatnonzero(without_doubles(poses, confidences, KAPPAS)).tolist() == kept


_FACE = [(30, 10), (33, 7), (27, 7), (37, 9), (23, 9)]
_ARMS = [(45, 30), (15, 30), (52, 55), (8, 55), (54, 78), (6, 78)]
_LEGS = [(40, 80), (20, 80), (41, 115), (19, 115), (42, 150), (18, 150)]
STANDING = np.array([*_FACE, *_ARMS, *_LEGS], float)
SURE = np.full(17, 0.9)
LEGS = np.arange(11, 17)


def kept(*people: tuple[np.ndarray, np.ndarray]) -> list[bool]:
    points, confidences = (np.stack(column) for column in zip(*people, strict=True))
    return without_doubles(points, confidences, KAPPAS).tolist()


def guessed_legs(shift: float) -> tuple[np.ndarray, np.ndarray]:
    """The body with its legs, of which the network is unsure, elsewhere."""
    points, confidences = STANDING.copy(), SURE.copy()
    points[LEGS] += (shift, -0.3 * shift)
    confidences[LEGS] = 0.2
    return points, confidences


def test_a_double_differs_only_in_joints_that_are_guessed() -> None:
    people = (STANDING, SURE), guessed_legs(30)
    assert kept(*people) == [True, False]
    points = np.stack([pose for pose, _ in people])
    by_all_joints = oks_nms(points, np.array([0.9, 0.5]), np.zeros(2, int), KAPPAS, 0.7)
    assert by_all_joints.tolist() == [True, True]  # why there are two without this rule


def test_a_double_of_a_double_does_not_hide_a_person() -> None:
    assert kept((STANDING, SURE), (STANDING + 1, SURE), (STANDING + 2, SURE)) == [True, False, False]
    assert kept((STANDING, SURE), (STANDING + np.array([0, 400]), SURE), (STANDING + 1, SURE)) == [True, True, False]


def test_overlapping_people_stay_two() -> None:
    assert kept((STANDING, SURE), (STANDING + np.array([12, 3]), SURE)) == [
        True,
        True,
    ]  # side by side
    crossed = STANDING.copy()
    crossed[:11] += (14, 6)
    assert kept((STANDING, SURE), (crossed, SURE)) == [True, True]  # the same feet
    child = STANDING * 0.6 + np.array([12, 60])
    assert kept((STANDING, SURE), (child, SURE)) == [True, True]


def test_no_people_and_one_person() -> None:
    assert without_doubles(np.zeros((0, 17, 2)), np.zeros((0, 17)), KAPPAS).tolist() == []
    assert kept((STANDING, SURE)) == [True]
