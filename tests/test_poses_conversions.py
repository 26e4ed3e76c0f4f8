"""Conversions: there and back again is the same people, as far as the other side holds them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from helpers.fake_model import some_poses
from votepose.errors import VoteposeError
from votepose.poses import Poses
from votepose.skeleton import COCO_17, Skeleton

TAIL = Skeleton(("head", "tail"), ((0, 1),), (0.1, 0.1), "cat")


@pytest.fixture(params=[0, 1, 3, "tracked"])
def people(request: pytest.FixtureRequest) -> Poses:
    """No person, one, three, and three with ids."""
    if request.param == "tracked":
        return replace(some_poses(3), ids=np.array([4, 1, 12]))
    return some_poses(request.param)


def same(found: Poses, expected: Poses, atol: float = 1e-6, but: tuple[str, ...] = ()) -> None:
    for name in {"keypoints", "confidences", "seen", "scores"} - set(but):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=atol, err_msg=name)
    if expected.ids is not None:
        np.testing.assert_array_equal(found.ids, expected.ids)
    else:
        assert found.ids is None


def test_coco_results_hold_all_but_what_is_seen(people: Poses) -> None:
    results = json.loads(json.dumps(people.to_coco(5)))
    found = Poses.from_coco(results, COCO_17, people.image_size, "a.jpg")
    same(found, people, 1e-3, but=("seen",))
    assert found.seen.all()
    assert (found.image_size, found.source) == (people.image_size, "a.jpg")


def test_coco_annotations_tell_what_is_seen_and_what_is_unlabelled() -> None:
    annotation = {"keypoints": [1, 2, 2, 3, 4, 1], "num_keypoints": 2, "bbox": [1, 2, 2, 2]}
    unlabelled = {"keypoints": [1, 2, 2, 0, 0, 0]}
    found = Poses.from_coco([annotation, unlabelled], TAIL)
    assert found.seen.tolist() == [[True, False], [True, False]]
    assert found.confidences.tolist() == [[1, 1], [1, 0]]
    assert found.scores.tolist() == [1, 1]
    with pytest.raises(VoteposeError, match="17 keypoints should be 51 numbers, but there are 6"):
        Poses.from_coco([annotation])


def test_records_come_back(people: Poses) -> None:
    record = json.loads(json.dumps(people.to_record()))
    found = Poses.from_record(record)
    same(found, people, 0.0051)
    assert (found.image_size, found.source) == (people.image_size, "a.jpg")
    with pytest.raises(VoteposeError, match="lacks 'people'"):
        Poses.from_record({})
    if len(people):
        with pytest.raises(VoteposeError, match="record of a cat's poses: it lacks 'head'"):
            Poses.from_record(record, TAIL)


def test_dataframes_come_back_in_any_order_of_rows(people: Poses) -> None:
    pytest.importorskip("pandas")
    frame = people.to_dataframe()
    found = Poses.from_dataframe(frame.sample(frac=1, random_state=0), COCO_17, people.image_size)
    same(found, people)
    assert found.source == ("a.jpg" if len(people) else None)
    nameless = Poses.from_dataframe(replace(people, source=None).to_dataframe())
    assert nameless.source is None


def test_dataframes_that_are_no_poses_are_one_line() -> None:
    pd = pytest.importorskip("pandas")
    frame = some_poses(2).to_dataframe()
    other = replace(some_poses(1), source="b.jpg").to_dataframe()
    for table, said in [
        (frame.drop(columns=["x", "seen"]), "lacks seen, x"),
        (frame.iloc[1:], "17 keypoints, once each"),
        (pd.concat([frame, frame]), "17 keypoints, once each"),
        (frame.replace("nose", "snout"), "17 keypoints, once each"),
        (pd.concat([frame, other]), "2 images"),
    ]:
        with pytest.raises(VoteposeError, match=said):
            Poses.from_dataframe(table)


def test_supervision_comes_back(people: Poses) -> None:
    sv = pytest.importorskip("supervision")
    points = people.to_supervision()
    assert isinstance(points, sv.KeyPoints)
    assert len(points) == len(people)
    same(Poses.from_supervision(points, COCO_17, people.image_size), people)


def test_supervision_of_another_model_is_taken_as_far_as_it_goes() -> None:
    sv = pytest.importorskip("supervision")
    xy = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    bare = Poses.from_supervision(sv.KeyPoints(xy=xy), TAIL, (9, 9), "a.png")
    assert bare.confidences.tolist() == [[1, 1], [1, 1]]
    assert (bare.seen.all(), bare.scores.tolist(), bare.image_size, bare.source) == (True, [1, 1], (9, 9), "a.png")
    sure = np.array([[1, 0.5], [0, 0.5]], np.float32)
    found = Poses.from_supervision(sv.KeyPoints(xy=xy, keypoint_confidence=sure, visible=sure > 0.2), TAIL)
    assert found.scores.tolist() == [0.75, 0.25]
    assert found.seen.tolist() == [[True, True], [False, True]]
    assert len(Poses.from_supervision(sv.KeyPoints.empty())) == 0
    with pytest.raises(VoteposeError, match=r"17 keypoints, but xy is \(2, 2, 2\)"):
        Poses.from_supervision(sv.KeyPoints(xy=xy))


@pytest.mark.filterwarnings("error")
def test_supervision_draws_our_people(people: Poses) -> None:
    sv = pytest.importorskip("supervision")
    canvas = np.zeros((480, 640, 3), np.uint8)
    drawn = sv.VertexAnnotator(radius=3).annotate(canvas.copy(), people.to_supervision())
    assert drawn.any() == bool(len(people))


@pytest.mark.parametrize("confidence", ["confidence", "keypoint_confidence"])
def test_supervision_gets_the_arrays_under_the_names_it_knows(
    poses: Poses, confidence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass
    class Old:
        xy: np.ndarray
        class_id: np.ndarray
        confidence: np.ndarray
        data: dict[str, Any]

    @dataclass
    class New:
        xy: np.ndarray
        class_id: np.ndarray
        keypoint_confidence: np.ndarray
        detection_confidence: np.ndarray
        data: dict[str, Any]

    fake = SimpleNamespace(KeyPoints=Old if confidence == "confidence" else New)
    monkeypatch.setitem(sys.modules, "supervision", fake)
    points = poses.to_supervision()
    np.testing.assert_array_equal(points.xy, poses.keypoints)
    np.testing.assert_array_equal(getattr(points, confidence), poses.confidences)
    same(Poses.from_supervision(points), poses, but=("scores",) if confidence == "confidence" else ())


def test_null_in_a_coco_annotation_is_not_labelled() -> None:
    annotation = {"keypoints": [None, None, None, *["4", "5", "2"] * 16]}
    poses = Poses.from_coco([annotation])
    assert poses.keypoints[0, :2].tolist() == [[4, 5], [4, 5]]  # in the middle of the others
    assert poses.confidences[0, :2].tolist() == [0, 1]
    assert poses.seen[0, :2].tolist() == [False, True]


def test_unknown_joints_stay_unknown_and_do_not_count_for_the_box() -> None:
    annotation = {"keypoints": [0, 0, 0] * 10 + [20, 30, 2, 60, 90, 1] + [0, 0, 0] * 5}
    poses = Poses.from_coco([annotation, {"keypoints": [0, 0, 0] * 17}], image_size=(100, 100))
    assert poses.boxes[0].tolist() == [20, 30, 60, 90]
    (again,) = poses.to_coco_annotations(1)  # the other person has no known joint
    assert (again["keypoints"], again["num_keypoints"]) == (annotation["keypoints"], 2)
    assert again["bbox"] == [20, 30, 40, 60]


def test_supervisions_missing_joints_are_unknown() -> None:
    xy = np.zeros((1, 17, 2))
    xy[0, :2] = [[20, 30], [60, 90]]
    poses = Poses.from_supervision(SimpleNamespace(xy=xy, confidence=None, data={}))
    assert poses.confidences[0].tolist() == [1, 1] + [0] * 15
    assert poses.seen[0].tolist() == [True, True] + [False] * 15
    assert poses.boxes[0].tolist() == [20, 30, 60, 90]


def test_people_of_a_table_without_ids_have_none() -> None:
    frame = some_poses(2).to_dataframe().assign(id=float("nan"))
    assert Poses.from_dataframe(frame).ids is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"people": 3}, "should be numbers"),
        ({"people": [3]}, "should be numbers"),
        ({"width": None}, "should be numbers"),
        ({"width": "wide"}, "should be numbers"),
    ],
)
def test_a_record_with_other_values_is_one_line(change: dict[str, Any], said: str) -> None:
    with pytest.raises(VoteposeError, match=said):
        Poses.from_record(some_poses(1).to_record() | change)


def test_json_comes_back(people: Poses) -> None:
    assert Poses.from_json(people.to_json()).to_record() == people.to_record()
    for text, said in (("{", "poses.jsonl"), ("[]", "dict")):
        with pytest.raises(VoteposeError, match=said):
            Poses.from_json(text)
    with pytest.raises(VoteposeError, match="from_json"):
        Poses.from_record(people.to_json())  # type: ignore[arg-type]


def test_coco_people_are_dicts_of_one_image() -> None:
    results = some_poses(2).to_coco(1)
    for wrong, said in (
        (results + some_poses(2).to_coco(2), "2 images"),
        ({"annotations": results}, "list of dicts"),
        (results[0], "list of dicts"),
        ([results[0] | {"keypoints": ["left"] * 51}], "51 numbers"),
    ):
        with pytest.raises(VoteposeError, match=said):
            Poses.from_coco(wrong)


def test_a_record_without_a_coordinate_is_one_line() -> None:
    record = some_poses(1).to_record()
    record["people"][0]["keypoints"]["nose"]["x"] = None
    with pytest.raises(VoteposeError, match="should be numbers"):
        Poses.from_record(record)
