"""Poses: shapes are checked, and every form they convert to says the same."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.fake_model import some_poses
from votepose.poses import Pose, Poses
from votepose.skeleton import COCO_17, Skeleton


@given(st.integers(0, 5), st.floats(0, 1))
def test_boxes_hold_the_keypoints_and_filtering_keeps_the_order(people: int, score: float) -> None:
    poses = some_poses(people)
    assert poses.boxes.shape == (people, 4)
    assert (poses.keypoints >= poses.boxes[:, None, :2]).all()
    assert (poses.keypoints <= poses.boxes[:, None, 2:]).all()
    kept = poses.above(score)
    assert kept.scores.tolist() == [s for s in poses.scores.tolist() if s >= np.float32(score)]
    assert kept.image_size == poses.image_size


@pytest.mark.parametrize(
    ("people", "size", "text"),
    [
        (5, (1024, 746), "Poses(5 people, 1024x746, best 0.79)"),
        (1, (0, 0), "Poses(1 person, best 0.79)"),
        (0, (640, 480), "Poses(0 people, 640x480)"),
    ],
)
def test_the_text_form_is_one_short_line(people: int, size: tuple[int, int], text: str) -> None:
    poses = replace(some_poses(5)[:people], image_size=size, scores=np.full(people, 0.79))
    assert repr(poses) == str(poses) == text


def test_a_pose_is_one_short_line_too(poses: Poses) -> None:
    pose = replace(poses[0], score=0.456, seen=np.arange(17) < 15)
    assert repr(pose) == "Pose(score 0.46, 15 of 17 keypoints seen)"
    assert repr(replace(pose, id=3)) == "Pose(id 3, score 0.46, 15 of 17 keypoints seen)"


def test_json_is_the_record_on_one_line(poses: Poses) -> None:
    assert json.loads(poses.to_json()) == poses.to_record()
    assert "\n" not in poses.to_json()


def test_iteration_and_indexing_agree(poses: Poses) -> None:
    assert len(list(poses)) == len(poses) == 3
    for k, pose in enumerate(poses):
        assert isinstance(poses[k], Pose)
        np.testing.assert_array_equal(pose.keypoints, poses[k].keypoints)
        np.testing.assert_array_equal(pose.box, poses.boxes[k])
        np.testing.assert_array_equal(pose["left_wrist"], poses.keypoints[k, 9])
    np.testing.assert_array_equal(poses[-1].keypoints, poses[2].keypoints)
    assert len(poses[1:]) == len(poses[[0, 2]]) == len(poses[np.array([True, False, True])]) == 2
    assert len(poses[[]]) == 0
    with pytest.raises(IndexError):
        poses[3]
    with pytest.raises(KeyError, match="left_wrist"):
        poses[0]["tail"]
    with pytest.raises(TypeError, match="one person"):
        poses["nose"]


def test_a_pose_is_a_dict_of_its_keypoints(poses: Poses) -> None:
    pose = poses[0]
    assert "nose" in pose
    assert "tail" not in pose
    assert list(dict(pose)) == list(COCO_17.names)
    np.testing.assert_array_equal(dict(pose)["left_wrist"], pose.keypoints[9])


@pytest.mark.parametrize("name", ["keypoints", "confidences", "seen", "scores"])
def test_a_wrong_shape_is_named_beside_the_expected_one(poses: Poses, name: str) -> None:
    with pytest.raises(ValueError, match=r"should be \(.*\), .* but is \("):
        replace(poses, **{name: getattr(poses, name)[..., None]})
    with pytest.raises(ValueError, match="17 names in the skeleton"):
        replace(poses, keypoints=poses.keypoints[:, :5])


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_keypoints_are_finite(poses: Poses, number: float) -> None:
    with pytest.raises(ValueError, match="confidence 0"):
        replace(poses, keypoints=np.where(poses.keypoints < 100, number, poses.keypoints))


def test_empty_has_the_shapes_of_no_people() -> None:
    skeleton = Skeleton(("head", "tail"), ((0, 1),), (0.1, 0.1), "cat")
    empty = Poses.empty(skeleton, (10, 20), "a.png")
    assert len(empty) == 0
    assert empty.keypoints.shape == (0, 2, 2)
    assert empty.boxes.shape == (0, 4)
    assert empty.to_coco(1) == []
    assert empty.to_record() == {"image": "a.png", "width": 10, "height": 20, "people": []}


def test_numpy_ids_become_json(poses: Poses) -> None:
    seven, two = np.int64(7), np.int32(2)
    for people in (poses.to_coco(seven, two), poses.to_coco_annotations(seven, two, np.int64(5))):
        assert [(one["image_id"], one["category_id"]) for one in json.loads(json.dumps(people))] == [(7, 2)] * 3


def test_coco_results_are_flat_triples(poses: Poses) -> None:
    results = json.loads(json.dumps(poses.to_coco(139)))
    assert [r["image_id"] for r in results] == [139] * 3
    triples = np.array([r["keypoints"] for r in results]).reshape(3, 17, 3)
    np.testing.assert_allclose(triples[..., :2], poses.keypoints, atol=1e-3)
    np.testing.assert_allclose(triples[..., 2], poses.confidences, atol=1e-3)
    np.testing.assert_allclose([r["score"] for r in results], poses.scores)


def test_records_are_json_by_keypoint_name(poses: Poses) -> None:
    record = json.loads(json.dumps(poses.to_record("b.jpg")))
    assert (record["image"], record["width"], record["height"]) == ("b.jpg", 640, 480)
    assert poses.to_record()["image"] == "a.jpg"
    for person, pose in zip(record["people"], poses, strict=True):
        assert list(person["keypoints"]) == list(COCO_17.names)
        nose = person["keypoints"]["nose"]
        assert (nose["x"], nose["y"]) == pytest.approx(tuple(pose["nose"]), abs=0.01)
        assert nose["seen"] is bool(pose.seen[0])
        assert person["box"] == pytest.approx(pose.box.tolist(), abs=0.01)


def test_dataframe_has_a_row_a_keypoint(poses: Poses) -> None:
    pytest.importorskip("pandas")
    frame = poses.to_dataframe()
    assert len(frame) == 3 * 17
    row = frame[(frame.person == 1) & (frame.keypoint == "right_hip")].iloc[0]
    assert (row.x, row.y) == pytest.approx(tuple(poses[1]["right_hip"]))
    assert len(Poses.empty().to_dataframe()) == 0


def test_ids_follow_their_people(poses: Poses) -> None:
    tracked = replace(poses, ids=np.array([7, 3, 9]))
    assert [pose.id for pose in tracked] == [7, 3, 9]
    assert tracked[[2, 0]].ids.tolist() == [9, 7]
    assert tracked[:1].to_record()["people"][0]["id"] == 7
    assert [person["track_id"] for person in tracked.to_coco(1)] == [7, 3, 9]
    assert "id" not in poses[0].to_record()
    assert poses[0].id is None
    with pytest.raises(ValueError, match=r"ids should be \(3,\)"):
        replace(poses, ids=[1, 2])
