"""Results: everybody is written once, whatever the format, and the memory stays flat."""

from __future__ import annotations

import gc
import json
import math
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.fake_model import some_poses
from helpers.written import FORMATS, NAMES, expected, opened, rows
from votepose.errors import VoteposeError
from votepose.io.results.coco import CocoWriter, image_numbers
from votepose.io.results.tables import columns
from votepose.io.results.writer import Format, Results
from votepose.poses import Poses
from votepose.skeleton import COCO_17


@pytest.mark.parametrize("form", FORMATS)
def test_everybody_is_written_once_in_order(tmp_path: Path, poses: Poses, form: Format) -> None:
    work = list(zip(NAMES, (poses, Poses.empty(), poses[:1]), strict=True))
    with opened(form, tmp_path) as results:
        for name, people in work:
            results.write(name, people)
            assert not results.path.exists()
    assert rows(form, tmp_path) == expected(*work)
    assert {path.name for path in tmp_path.iterdir()} == {results.path.name, "run.json"} | (
        {"images.json"} if form.startswith("coco") else set()
    )


@pytest.mark.parametrize("form", FORMATS)
def test_results_without_people_are_valid(tmp_path: Path, form: Format) -> None:
    with opened(form, tmp_path) as results:
        results.write(NAMES[0], Poses.empty())
    assert rows(form, tmp_path) == []
    with opened(form, tmp_path / "."):
        pass
    assert rows(form, tmp_path) == []


def test_coco_results_can_be_told_apart_by_images_json(tmp_path: Path, poses: Poses) -> None:
    with opened("coco", tmp_path) as results:
        for name, people in zip(NAMES, (poses, Poses.empty(), poses[:1]), strict=True):
            results.write(name, people)
    people = json.loads(results.path.read_text())
    listed = json.loads((tmp_path / "images.json").read_text())["images"]
    assert [person["image_id"] for person in people] == [1, 1, 1, 3]
    assert {image["id"]: image["file_name"] for image in listed} == dict(enumerate(NAMES, 1))
    pycocotools = pytest.importorskip("pycocotools.coco")
    truth = pycocotools.COCO(str(tmp_path / "images.json"))
    assert len(truth.loadRes(str(results.path)).anns) == 4


@pytest.mark.parametrize("form", FORMATS)
def test_frames_of_a_video_say_when_and_who(tmp_path: Path, poses: Poses, form: Format) -> None:
    tracked = replace(poses, ids=np.array([4, 1, 7]))
    with opened(form, tmp_path) as results, results.video("a.mp4"):
        for frame in range(2):
            results.write("a.mp4", tracked, frame, frame / 25)
    if form == "records":
        records = [json.loads(line) for line in results.path.read_text().splitlines()]
        found = [(r["image"], r["frame"], r["time"], p["id"]) for r in records for p in r["people"]]
        assert list(records[0])[:3] == ["image", "frame", "time"]
    elif form.startswith("coco"):
        listed = {i["id"]: i for i in json.loads((tmp_path / "images.json").read_text())["images"]}
        whole = json.loads(results.path.read_text())
        entries = whole if form == "coco" else whole["annotations"]
        people = [(listed[p["image_id"]], p["track_id"]) for p in entries]
        found = [(i["file_name"], i["frame"], i["time"], number) for i, number in people]
    else:
        pd = pytest.importorskip("pandas")
        table = pd.read_csv(results.path) if form == "csv" else pd.read_parquet(results.path)
        found = list(table[["image", "frame", "time", "id"]].itertuples(index=False, name=None))
    assert found == [("a.mp4", frame, frame / 25, number) for frame in range(2) for number in (4, 1, 7)]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_tables_have_the_documented_columns(tmp_path: Path, poses: Poses, form: Format) -> None:
    pd = pytest.importorskip("pandas")
    odd = 'a, "b"\n\u00fc.jpg'
    with opened(form, tmp_path) as results:
        results.write(odd, poses)
    table = pd.read_csv(results.path) if form == "csv" else pd.read_parquet(results.path)
    assert list(table.columns) == list(columns(COCO_17))
    assert table["image"].tolist() == [odd] * 3
    assert table["person"].tolist() == [0, 1, 2]
    assert table[["frame", "time", "id"]].isna().all(axis=None)
    np.testing.assert_allclose(table[["x1", "y1", "x2", "y2"]], poses.boxes, atol=0.01)
    np.testing.assert_allclose(table["left_wrist_confidence"], poses.confidences[:, 9], atol=1e-4)
    np.testing.assert_array_equal(table["right_ankle_seen"].astype(bool), poses.seen[:, 16])


@pytest.mark.parametrize("form", FORMATS)
def test_names_that_are_no_text_are_written(tmp_path: Path, poses: Poses, form: Format) -> None:
    with opened(form, tmp_path) as results:
        results.write("a\udcff.jpg", poses[:1])
    assert len(results.path.read_bytes()) > 100


@pytest.mark.parametrize("form", FORMATS)
def test_memory_stays_flat(tmp_path: Path, form: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("votepose.io.results.tables._ROWS", 100)
    poses = some_poses(1)
    tracemalloc.start()
    with opened(form, tmp_path, ["a.jpg"]) as results:
        sizes = []
        for k in range(900):
            results.write(f"{k}.jpg", poses)
            if k in (300, 899):
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
    top = tracemalloc.take_snapshot().statistics("lineno")[:5]
    tracemalloc.stop()
    assert sizes[1] - sizes[0] < 30_000, top


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(VoteposeError, match=r'pip install "\.\[parquet\]"'):
        Results("parquet", tmp_path, COCO_17)
    assert not list(tmp_path.iterdir())


def test_image_ids_are_the_stems_only_if_all_are_different_integers(tmp_path: Path) -> None:
    assert image_numbers(["000000000139.jpg", "7.png"]) == {139, 7}
    for names in (["139.jpg", "a.jpg"], ["x/7.jpg", "y/7.jpg"], ["\u00b2_.jpg", "\u00b2.jpg"], []):
        assert not image_numbers(names)
    writer = CocoWriter(tmp_path, COCO_17, ["000000000139.jpg", "7.png"])
    writer.begin()
    for name in ("000000000139.jpg", "7.png"):
        writer.write(name, Poses.empty())
    writer.close()
    listed = json.loads((tmp_path / "images.json").read_text())["images"]
    assert [image["id"] for image in listed] == [139, 7]


def test_frames_of_a_video_do_not_take_the_ids_of_images(tmp_path: Path) -> None:
    writer = CocoWriter(tmp_path, COCO_17, ["7.mp4", "2.jpg", "9.mp4"])
    writer.begin()
    for name in ("7.mp4", "7.mp4", "7.mp4", "2.jpg", "9.mp4", "9.mp4"):
        writer.write(name, Poses.empty())
    writer.close()
    listed = json.loads((tmp_path / "images.json").read_text())["images"]
    assert [image["id"] for image in listed] == [7, 1, 3, 2, 9, 4]


def test_writers_take_many_people(tmp_path: Path) -> None:
    with opened("coco", tmp_path) as results:
        results.write(NAMES[0], some_poses(200))
    assert len(json.loads(results.path.read_text())) == 200
    assert math.isfinite(rows("coco", tmp_path)[0][1])
