"""Tracking: one person, one id: through crossings and gaps, in any order, never reused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from helpers.fake_model import some_poses
from votepose.oks import oks
from votepose.poses import Poses
from votepose.skeleton import COCO_17
from votepose.video.one_euro import Smoothing
from votepose.video.tracker import Tracker, Tracking, tracked_sizes

RATE = 25.0
BODY = np.random.default_rng(0).uniform(0, 1, (17, 2)) * (40, 100)


def crowd(*places: tuple[float, float], order: list[int] | None = None) -> Poses:
    """The same body at each place."""
    people = len(places)
    points = BODY + np.array(places).reshape(people, 1, 2)
    ones = np.ones((people, 17))
    poses = Poses(points, ones, ones.astype(bool), np.linspace(1, 0.5, people), COCO_17, (640, 480))
    return poses if order is None else poses[order]


def ids(tracker: Tracker, poses: Poses, frame: float) -> list[int]:
    found = tracker(poses, frame / RATE)
    np.testing.assert_array_equal(found.keypoints, poses.keypoints)
    return found.ids.tolist()  # type: ignore[union-attr]


@given(st.lists(st.permutations(range(4)), min_size=2, max_size=6))
def test_ids_follow_the_people_in_whatever_order(orders: list[list[int]]) -> None:
    tracker, first = Tracker(), None
    for frame, order in enumerate(orders):
        poses = crowd(*((90 * k + 2 * frame, 3.0) for k in range(4)), order=order)
        found = dict(zip(order, ids(tracker, poses, frame), strict=True))
        first = first or found
        assert found == first
    assert sorted(found.values()) == [1, 2, 3, 4]


def test_people_who_cross_keep_their_ids() -> None:
    tracker = Tracker()
    for frame in range(60):
        assert ids(tracker, crowd((6.0 * frame, 0), (354 - 6.0 * frame, 10)), frame) == [1, 2]


def test_one_who_is_hidden_while_crossing_comes_back_as_themselves() -> None:
    tracker = Tracker()
    for frame in range(60):
        hidden = 25 <= frame < 35
        both = crowd((6.0 * frame, 0), (354 - 6.0 * frame, 10))
        assert ids(tracker, both[:1] if hidden else both, frame) == ([1] if hidden else [1, 2])


def test_tracks_do_not_continue_in_another_scene_and_do_when_theirs_returns() -> None:
    tracker, poses = Tracker(), crowd((0, 0), (200, 0))
    found = [tracker(poses, k / RATE, scene) for k, scene in enumerate([1, 1, 2, 2, 1, 3])]
    assert [frame.ids.tolist() for frame in found] == [[1, 2], [1, 2], [3, 4], [3, 4], [1, 2], [5, 6]]


def test_without_patience_every_gap_makes_someone_new() -> None:
    tracker = Tracker(Tracking(max_gap=1.5 / RATE))
    seen = [ids(tracker, crowd((6.0 * f, 0))[[0] * (f != 20)], f) for f in range(40)]
    assert (seen[19], seen[20], seen[-1]) == ([1], [], [2])


def test_tracks_outlive_short_gaps_and_ids_are_never_reused() -> None:
    tracker = Tracker(Tracking(max_gap=1.0))
    assert ids(tracker, crowd((0, 0)), 0) == [1]
    assert ids(tracker, crowd(), 10) == []
    assert ids(tracker, crowd((0, 0)), 25) == [1]
    assert ids(tracker, crowd((0, 0)), 51) == [2]
    assert ids(tracker, crowd((300, 0), (0, 0)), 52) == [3, 2]
    assert ids(tracker, crowd((0, 300)), 100) == [4]


def test_someone_elsewhere_is_someone_else() -> None:
    tracker = Tracker()
    assert ids(tracker, crowd((0, 0)), 0) == [1]
    assert ids(tracker, crowd((250, 0)), 1) == [2]


def test_a_tracker_takes_any_people() -> None:
    tracker = Tracker(Tracking(smooth=Smoothing()))
    for frame in range(30):
        found = tracker(some_poses(frame % 4, seed=frame), frame / 1000)
        assert len(set(found.ids.tolist())) == frame % 4  # type: ignore[union-attr]
        assert np.isfinite(found.keypoints).all()
    assert len(tracker(replace(crowd((0, 0)), keypoints=np.zeros((1, 17, 2))), 1.0)) == 1


def test_smoothing_steadies_each_person_and_changes_nothing_else() -> None:
    random, plain, smooth = np.random.default_rng(1), Tracker(), Tracker(Tracking(smooth=Smoothing()))
    shaken, steadied = [], []
    for frame in range(50):
        poses = crowd((0, 0), (200, 0), order=[frame % 2, 1 - frame % 2])
        poses = replace(poses, keypoints=poses.keypoints + random.normal(0, 1, poses.keypoints.shape))
        expected, found = plain(poses, frame / RATE), smooth(poses, frame / RATE)
        assert found.ids.tolist() == expected.ids.tolist()  # type: ignore[union-attr]
        np.testing.assert_array_equal(found.confidences, poses.confidences)
        shaken.append(expected.keypoints[expected.ids.argsort()])  # type: ignore[union-attr]
        steadied.append(found.keypoints[found.ids.argsort()])  # type: ignore[union-attr]
    assert np.diff(steadied[20:], 2, axis=0).std() < 0.3 * np.diff(shaken[20:], 2, axis=0).std()


def test_oks_is_cocos() -> None:
    moved = BODY + np.array([3.0, 4.0])
    area = 0.53 * np.prod(np.ptp(BODY, axis=0))
    expected = np.exp(-25 / (2 * area * COCO_17.kappas**2)).mean()
    found = oks(BODY[None, None], np.stack([moved, BODY])[None], tracked_sizes(BODY)[None, None], COCO_17.kappas)
    np.testing.assert_allclose(found, [[expected, 1.0]], rtol=1e-5)


def test_ids_and_smoothing_survive_a_change_of_the_frames_size() -> None:
    plain, changing = (Tracker(Tracking(smooth=Smoothing())) for _ in range(2))
    for frame in range(8):
        poses = crowd((200 + 3 * frame, 100), (60, 200))
        small = replace(poses, keypoints=poses.keypoints / 2, image_size=(320, 240))
        expected = plain(poses, frame / RATE)
        found = changing(small if frame >= 4 else poses, frame / RATE)
        assert found.image_size == ((320, 240) if frame >= 4 else (640, 480))
        assert found.ids.tolist() == [1, 2]  # type: ignore[union-attr]
        scale = 2 if frame >= 4 else 1
        np.testing.assert_allclose(found.keypoints * scale, expected.keypoints, atol=1e-2)


def test_a_clock_that_goes_back_does_not_change_the_ids() -> None:
    tracker = Tracker()
    for time in (5.0, 5.04, 0.0, 0.04):
        assert tracker(crowd((0, 0), (300, 0)), time).ids.tolist() == [1, 2]  # type: ignore[union-attr]


def test_frames_of_unknown_size_are_taken_as_they_are() -> None:
    tracker = Tracker(Tracking(smooth=Smoothing()))
    for frame in range(8):
        size = (0, 0) if frame in (0, 1, 2, 6) else (640, 480)
        poses = replace(crowd((200 + 3 * frame, 100), (60, 200)), image_size=size)
        found = tracker(poses, frame / RATE)
        assert found.ids.tolist() == [1, 2]  # type: ignore[union-attr]
        assert abs(found.keypoints - poses.keypoints).max() < 6
