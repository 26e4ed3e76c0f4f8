"""At most N people: the best, and the same from frame to frame."""

from __future__ import annotations

import numpy as np

from votepose.poses import Poses
from votepose.video.most_people import MostPeople


def frame(scores: dict[int, float]) -> Poses:
    ids = sorted(scores, key=lambda k: -scores[k])
    count = len(ids)
    ones = np.ones((count, 17))
    return Poses(np.zeros((count, 17, 2)), ones, ones, np.array([scores[k] for k in ids]), ids=np.array(ids, int))


def shown(frames: list[dict[int, float]], count: int, gap: float = 1.0, scenes: list[int] | None = None) -> list[set]:
    most = MostPeople(count, gap)
    scenes = scenes or [0] * len(frames)
    found = (most(frame(scores), k / 10, scene) for k, (scores, scene) in enumerate(zip(frames, scenes, strict=True)))
    return [set(poses.ids.tolist()) for poses in found]


def test_the_best_are_kept_and_do_not_alternate() -> None:
    shaky = [{1: 0.9, 2: 0.6 + 0.05 * (-1) ** k, 3: 0.6 - 0.05 * (-1) ** k} for k in range(20)]
    assert shown(shaky, 2) == [{1, 2}] * 20
    assert shown(shaky, 5) == [{1, 2, 3}] * 20


def test_a_person_who_is_missed_for_a_moment_keeps_the_place() -> None:
    frames = [{1: 0.9, 2: 0.8, 3: 0.7}] * 5 + [{1: 0.9, 3: 0.7}] * 3 + [{1: 0.9, 2: 0.8, 3: 0.7}] * 2
    assert shown(frames, 2) == [{1, 2}] * 5 + [{1}] * 3 + [{1, 2}] * 2


def test_a_place_becomes_free_when_a_track_ends_or_the_scene_changes() -> None:
    frames = [{1: 0.9, 2: 0.8}] * 2 + [{2: 0.8}] * 20
    assert shown(frames, 1)[-1] == {2}
    assert shown(frames, 1)[3] == set()
    assert shown(frames, 1, scenes=[1, 1, *[2] * 20])[2] == {2}


def test_someone_clearly_better_takes_over_and_stays() -> None:
    frames = [{1: 0.5}] * 3 + [{1: 0.5, 2: 0.9}] * 10
    assert shown(frames, 1) == [{1}] * 3 + [{2}] * 10


def test_without_tracks_the_best_of_each_frame_are_kept() -> None:
    poses = frame({1: 0.9, 2: 0.8, 3: 0.7})
    untracked = Poses(poses.keypoints, poses.confidences, poses.seen, poses.scores)
    assert MostPeople(2, 1.0)(untracked, 0.0).scores.tolist() == poses.scores[:2].tolist()
