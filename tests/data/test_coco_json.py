"""COCO jsons as exporters write them: what can be meant in one way only is read, by loader and metrics alike."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from votepose.data.coco_json import values
from votepose.data.coco_json.labels import coco_labels
from votepose.data.coco_writer import to_coco_json, write_coco
from votepose.data.labelled import LabelledDataset, load_labelled
from votepose.data.toy import synthetic_dataset
from votepose.evaluation.coco_metrics import coco_keypoint_metrics

Change = Callable[[dict[str, Any]], None]
DATA = synthetic_dataset(3, 256, people=(2, 2))
PLAIN = to_coco_json(DATA)
PEOPLE = 6
NAN = float("nan")


def load_with(folder: Path, change: Change) -> LabelledDataset:
    write_coco(DATA, folder)
    data = copy.deepcopy(PLAIN)
    change(data)
    (folder / "annotations.json").write_text(json.dumps(data))
    return load_labelled(folder)


def each(edit: Callable[[int, dict[str, Any]], Any], section: str = "annotations") -> Change:
    def change(data: dict[str, Any]) -> None:
        for number, entry in enumerate(data[section]):
            edit(number, entry)

    return change


def own_answers(dataset: LabelledDataset) -> float:
    """AP of the labels as the loader reads them, measured against the labels as the metrics read them."""
    results = []
    for sample in dataset.samples:
        for points in sample.keypoints:
            entry = {"image_id": sample.image_id, "category_id": dataset.category_id}
            results.append({**entry, "keypoints": points.ravel().tolist(), "score": 1.0})
    assert dataset.labels is not None
    assert dataset.annotations is not None
    images = [sample.image_id for sample in dataset.samples]
    measured = coco_keypoint_metrics(dataset.labels, results, images)
    assert coco_keypoint_metrics(dataset.annotations, results, images) == measured
    return measured.ap


def two_categories(data: dict[str, Any]) -> None:
    data["categories"].append({**data["categories"][0], "id": 2, "name": "child"})
    each(lambda i, a: a.update(category_id=1 + i % 2))(data)


def dog_first(data: dict[str, Any]) -> None:
    data["categories"].insert(0, {"id": 2, "name": "dog", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]})


def of_text_ids(data: dict[str, Any]) -> None:
    each(lambda i, a: a.update(image_id=f"walk-{a['image_id']}"))(data)
    each(lambda i, a: a.update(id=f"walk-{a['id']}"), "images")(data)


def images_from_0(data: dict[str, Any]) -> None:
    each(lambda i, a: a.update(id=a["id"] - 1), "images")(data)
    each(lambda i, a: a.update(image_id=a["image_id"] - 1))(data)


def without_categories(data: dict[str, Any]) -> None:
    data["categories"] = []
    each(lambda i, a: a.update(category_id=7))(data)


IDS: dict[str, Change] = {
    "annotations from 0": each(lambda i, a: a.update(id=i)),
    "annotations all 0": each(lambda i, a: a.update(id=0)),
    "annotations repeated": each(lambda i, a: a.update(id=i % 3 + 1)),
    "annotations negative": each(lambda i, a: a.update(id=-i)),
    "annotations without": each(lambda i, a: a.pop("id")),
    "annotations huge": each(lambda i, a: a.update(id=10**30 + i)),
    "annotations text": each(lambda i, a: a.update(id=f"a{i}")),
    "annotations null": each(lambda i, a: a.update(id=None)),
    "image_id 1.0": each(lambda i, a: a.update(image_id=float(a["image_id"]))),
    "image_id as text": each(lambda i, a: a.update(image_id=str(a["image_id"]))),
    "image_id as text with zeros": each(lambda i, a: a.update(image_id=f"{a['image_id']:012d}")),
    "images 1.0": each(lambda i, a: a.update(id=float(a["id"])), "images"),
    "images as text": each(lambda i, a: a.update(id=str(a["id"])), "images"),
    "images from 0": images_from_0,
    "images named": of_text_ids,
    "category_id as text": each(lambda i, a: a.update(category_id="1")),
    "category_id 1.0": each(lambda i, a: a.update(category_id=1.0)),
    "category_id null": each(lambda i, a: a.update(category_id=None)),
    "category_id without": each(lambda i, a: a.pop("category_id")),
    "categories as text": each(lambda i, a: a.update(id="1"), "categories"),
    "no categories": without_categories,
    "two categories with one skeleton": two_categories,
    "another skeleton first": dog_first,
}
VALUES: dict[str, Change] = {
    "null joint": each(lambda i, a: a["keypoints"].__setitem__(slice(0, 3), [None] * 3)),
    "NaN joint": each(lambda i, a: a["keypoints"].__setitem__(slice(0, 3), [NAN, NAN, 0])),
    "keypoints as text": each(lambda i, a: a.update(keypoints=[str(v) for v in a["keypoints"]])),
    "keypoints in triples": each(
        lambda i, a: a.update(keypoints=[a["keypoints"][k : k + 3] for k in range(0, len(a["keypoints"]), 3)])
    ),
    "bbox as text": each(lambda i, a: a.update(bbox=[str(v) for v in a["bbox"]])),
    "bbox null": each(lambda i, a: a.update(bbox=None)),
    "area as text": each(lambda i, a: a.update(area=str(a["area"]))),
    "area null": each(lambda i, a: a.update(area=None)),
    "area without": each(lambda i, a: a.pop("area")),
    "iscrowd null": each(lambda i, a: a.update(iscrowd=None)),
    "iscrowd text": each(lambda i, a: a.update(iscrowd="0")),
    "iscrowd false": each(lambda i, a: a.update(iscrowd=False)),
    "iscrowd false as text": each(lambda i, a: a.update(iscrowd="False")),
    "iscrowd without": each(lambda i, a: a.pop("iscrowd")),
    "num_keypoints wrong": each(lambda i, a: a.update(num_keypoints="0")),
    "sizes as text": each(lambda i, a: a.update(width="256", height="256"), "images"),
}


@pytest.mark.parametrize("change", [*IDS.values(), *VALUES.values()], ids=[*IDS, *VALUES])
def test_what_can_be_meant_in_one_way_is_read_so_without_remark(tmp_path: Path, change: Change) -> None:
    dataset = load_with(tmp_path, change)
    assert sum(len(sample.keypoints) for sample in dataset.samples) == PEOPLE
    assert own_answers(dataset) == pytest.approx(1)
    assert dataset.left_out == []


@pytest.mark.parametrize(
    ("change", "people", "remark"),
    [
        (each(lambda i, a: a.update(area=NAN)), 6, "000001.png: an annotation's area is nan; taken from its box"),
        (each(lambda i, a: a.update(area=-5.0)), 6, "000001.png: an annotation's area is -5.0; taken from its box"),
        (each(lambda i, a: a.update(area="large")), 6, "000001.png: an annotation's area is 'large'; taken from"),
        (each(lambda i, a: a.update(bbox=[0, 0, -5, 9])), 6, "000001.png: an annotation's box has a negative side"),
        (each(lambda i, a: a.update(bbox=["a", 1, 2, 3])), 6, "000001.png: an annotation's box is not four numbers"),
        (
            each(lambda i, a: a["keypoints"].__setitem__(slice(0, 3), ["left", 2, 2])),
            6,
            "000001.png: an annotation has keypoints that are not numbers; taken as unlabelled",
        ),
        (
            each(lambda i, a: a["keypoints"].__setitem__(slice(0, 3), [None, None, 2])),
            6,
            "000001.png: an annotation has keypoints that are not numbers; taken as unlabelled",
        ),
        (
            each(lambda i, a: a.update(category_id=0)),
            6,
            "6 annotations have category_id 0, which is not listed: taken as 1, the only one",
        ),
        (lambda d: d["annotations"].append(d["annotations"][0]), 6, "000001.png: a person is annotated twice"),
        (lambda d: d["images"].append(d["images"][0]), 6, "000001.png: listed twice; read as one"),
        (
            lambda d: [d["images"].append({**d["images"][0], "id": 9}), d["annotations"][0].update(image_id=9)],
            6,
            "000001.png: listed twice, with ids 1 and 9; read as one",
        ),
        (
            each(lambda i, a: a.update(iscrowd=["?"]) if i == 0 else None),
            5,
            "an annotation's iscrowd is ['?']; ignored",
        ),
        (
            each(lambda i, a: a.update(image_id=a["image_id"] + 2)),
            2,
            "4 annotations have an image_id without a usable image (4, 5); left out",
        ),
        (each(lambda i, a: a.pop("image_id") if i < 2 else None), 4, "2 annotations have an image_id without a usable"),
        (
            lambda d: d["images"][1].update(id=1),
            2,
            "000001.png: has the same id (1) as another image; left out",
        ),
        (lambda d: d["images"][0].update(id=None), 4, "000001.png: the json's entry has no usable 'id'"),
        (
            lambda d: [dog_first(d), d["annotations"][0].update(category_id=2, keypoints=[1, 2, 2, 3, 4, 2])],
            5,
            "1 annotations with keypoints are of category 2 (dog); left out",
        ),
        (
            lambda d: d["annotations"][0].update(category_id=8),
            5,
            "1 annotations with keypoints are of category 8, which is not listed; left out",
        ),
        (
            lambda d: d["annotations"][0].update(category_id=[1]),
            5,
            "1 annotations with keypoints are of category [1], which is not listed; left out",
        ),
    ],
)
def test_anything_else_is_named(tmp_path: Path, change: Change, people: int, remark: str) -> None:
    dataset = load_with(tmp_path, change)
    assert sum(len(sample.keypoints) for sample in dataset.samples) == people
    assert any(remark in line for line in map(str, dataset.left_out)), dataset.left_out
    assert own_answers(dataset) == pytest.approx(1)


def test_an_id_that_two_skeletons_share_says_nothing(tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        dog_first(data)
        data["categories"][0]["id"] = 1

    assert any("of category 1" in line for line in map(str, load_with(tmp_path, change).left_out))


def test_results_name_pictures_as_the_json_does(tmp_path: Path) -> None:
    assert [s.image_id for s in load_with(tmp_path / "text", of_text_ids).samples] == ["walk-1", "walk-2", "walk-3"]
    assert [s.image_id for s in load_with(tmp_path / "float", IDS["images 1.0"]).samples] == [1, 2, 3]
    assert load_with(tmp_path / "category", IDS["categories as text"]).category_id == "1"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_json_may_be_in_any_of_its_encodings(tmp_path: Path, encoding: str) -> None:
    write_coco(DATA, tmp_path)
    data = copy.deepcopy(PLAIN)
    data["categories"][0]["name"] = "Mensch, größer"
    (tmp_path / "annotations.json").write_text(json.dumps(data, ensure_ascii=False), encoding=encoding)
    assert len(load_labelled(tmp_path).samples) == 3


def only(joints: list[int]) -> Change:
    """People of these joints alone, without box and area."""

    def change(_: int, annotation: dict[str, Any]) -> None:
        points = np.array(annotation["keypoints"]).reshape(-1, 3)
        points[np.setdiff1d(np.arange(17), joints)] = 0
        points[joints, 2] = 2
        annotation.update(keypoints=points.ravel().tolist(), bbox=[*points[joints[0], :2].tolist(), 0, 0], area=0.0)

    return each(change)


def test_people_labelled_at_one_place_have_a_size_and_a_remark(tmp_path: Path) -> None:
    dataset = load_with(tmp_path, only([5]))
    for sample in dataset.samples:
        np.testing.assert_allclose(sample.areas, 0.01 * 256 * 256, rtol=1e-5)  # a hundredth of the image
        assert (sample.boxes[:, 2:] > 1).all()
        joints = sample.keypoints[:, 5, :2]
        assert ((joints >= sample.boxes[:, :2]) & (joints <= sample.boxes[:, :2] + sample.boxes[:, 2:])).all()
    assert str(dataset.left_out[0]).startswith("000001.png: 2 people labelled at one point, without box: size unknown")
    assert own_answers(dataset) == pytest.approx(1)


def test_people_labelled_at_one_place_are_as_large_as_the_others(tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        only([5])({"annotations": [data["annotations"][0], *data["annotations"][2:4]]})
        data["annotations"][1]["area"] = 4000.0
        data["annotations"][4]["area"] = data["annotations"][5]["area"] = 5000.0

    dataset = load_with(tmp_path, change)
    np.testing.assert_allclose(dataset.samples[0].areas, [4000, 4000])  # as in its image
    np.testing.assert_allclose(dataset.samples[1].areas, [5000, 5000])  # as in the json


def test_joints_on_a_line_do_not_make_a_thin_body() -> None:
    np.testing.assert_allclose(values.hull(np.array([[10.0, 0.0], [10.0, 80.0]])), [0, 0, 20, 80])
    np.testing.assert_allclose(values.hull(np.array([[0.0, 7.0], [40.0, 7.5]])), [0, 2.25, 40, 10])
    assert values.hull(np.array([[3.0, 4.0], [3.5, 4.0]])) is None
    line = {"id": 1, "image_id": 1, "keypoints": [9, 10, 2, 9, 50, 2] + [0] * 45}
    (picture,) = coco_labels({"images": [{"id": 1}], "annotations": [line]}).pictures.values()
    assert picture.annotations[0].area == pytest.approx(0.53 * 10 * 40)
    assert not picture.remarks


@pytest.mark.parametrize(
    ("value", "same"),
    [(1, 1), (1.0, 1), ("1", 1), (" 01 ", 1), ("1.0", 1), ("1e0", "1e0"), ("1_0", "1_0"), ("a", "a"), (10**30, 10**30)],
)
def test_ids_are_the_same_whatever_their_type(value: Any, same: int | str) -> None:
    assert values.identity(value) == same


@pytest.mark.parametrize("value", [None, True, 1.5, NAN, float("inf"), [1], {}, ""])
def test_what_is_no_id(value: Any) -> None:
    assert values.identity(value) is None
