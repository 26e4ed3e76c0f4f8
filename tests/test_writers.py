"""Writers: files are whole at every moment, a run that is stopped keeps what it did, and the next goes on after it."""

from __future__ import annotations

import csv
import gc
import json
import math
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conftest import some_poses
from votepose.errors import VoteposeError
from votepose.inputs import Input
from votepose.poses import Poses
from votepose.skeleton import COCO_17
from votepose.writers import CocoWriter, Format, Results, picture_paths, prepare_folder, save_picture
from votepose.writers.coco import numbered
from votepose.writers.tables import columns

NAMES = ["photos/a.jpg", "photos/b.jpg", "photos/c.jpg"]
FORMATS: list[Format] = ["records", "coco", "csv", "parquet"]
RESUMABLE: list[Format] = ["records", "coco"]


def images(*names: str | Path) -> list[Input]:
    return [Input(str(name), "image") for name in names]


def opened(form: Format, folder: Path, names: Sequence[str] = NAMES, **options: Any) -> Results:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    return Results(form, folder, COCO_17, names, {"input size": 96}, **options)


def rows(form: Format, folder: Path) -> list[tuple[str, float]]:
    """Name and x of the nose of everybody in the results."""
    if form == "records":
        lines = [json.loads(line) for line in (folder / "poses.jsonl").read_text().splitlines()]
        return [(line["image"], person["keypoints"]["nose"]["x"]) for line in lines for person in line["people"]]
    if form == "coco":
        listing = json.loads((folder / "images.json").read_text())
        names = {image["id"]: image["file_name"] for image in listing["images"]}
        assert listing["categories"][0]["keypoints"] == list(COCO_17.names)
        assert len(names) == len(listing["images"])
        people = json.loads((folder / "results.json").read_text())
        return [(names[person["image_id"]], person["keypoints"][0]) for person in people]
    if form == "csv":
        with open(folder / "poses.csv", newline="", encoding="utf-8") as file:
            return [(row["image"], float(row["nose_x"])) for row in csv.DictReader(file)]
    table = pytest.importorskip("pyarrow.parquet").read_table(folder / "poses.parquet").to_pylist()
    return [(row["image"], row["nose_x"]) for row in table]


def expected(*images: tuple[str, Poses]) -> list[Any]:
    return [(name, pytest.approx(float(pose["nose"][0]), abs=0.01)) for name, poses in images for pose in poses]


@pytest.mark.parametrize("form", FORMATS)
def test_everybody_is_written_once_in_order(tmp_path: Path, poses: Poses, form: Format) -> None:
    work = list(zip(NAMES, (poses, Poses.empty(), poses[:1]), strict=True))
    with opened(form, tmp_path) as results:
        for name, people in work:
            results.write(name, people)
            assert not results.path.exists()
    assert rows(form, tmp_path) == expected(*work)
    assert {path.name for path in tmp_path.iterdir()} == {results.path.name, "run.json"} | (
        {"images.json"} if form == "coco" else set()
    )


@pytest.mark.parametrize("form", FORMATS)
def test_results_of_nobody_are_valid(tmp_path: Path, form: Format) -> None:
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
    elif form == "coco":
        listed = {i["id"]: i for i in json.loads((tmp_path / "images.json").read_text())["images"]}
        people = [(listed[p["image_id"]], p["track_id"]) for p in json.loads(results.path.read_text())]
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
@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_a_stopped_run_keeps_what_it_did(tmp_path: Path, poses: Poses, form: Format, stop: type[BaseException]) -> None:
    with pytest.raises(stop), opened(form, tmp_path) as results:  # noqa: PT012
        results.write(NAMES[0], poses)
        writer: Any = results._writer
        if form != "parquet":
            file = writer._people if form == "coco" else writer._lines
            file._file.seek(file._whole)
            file._file.write(b'{"cut sho')  # as a full disk leaves it
        raise stop
    assert rows(form, tmp_path) == expected((NAMES[0], poses))
    assert not list(tmp_path.glob("*.partial*"))


@pytest.mark.parametrize("form", FORMATS)
def test_a_run_that_fails_at_once_leaves_the_earlier_results(tmp_path: Path, form: Format) -> None:
    results = opened(form, tmp_path)
    results.path.write_text("earlier")
    with pytest.raises(KeyboardInterrupt), results:
        raise KeyboardInterrupt
    assert results.path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [results.path]


@pytest.mark.parametrize("form", RESUMABLE)
@pytest.mark.parametrize("how", ["stopped", "killed", "finished", "never begun"])
def test_resume_goes_on_after_what_is_done(tmp_path: Path, poses: Poses, form: Format, how: str) -> None:
    work = list(zip([*NAMES, "photos/d.jpg"], (poses, Poses.empty(), poses[:1], poses[1:]), strict=True))
    done = {"stopped": 2, "killed": 2, "finished": 4, "never begun": 0}[how]
    if how != "never begun":
        results = opened(form, tmp_path)
        results.__enter__()
        for name, people in work[:done]:
            results.write(name, people)
        if how == "killed":  # in the middle of an entry, before the files got their names
            writer: Any = results._writer
            for file in [writer._lines] if form == "records" else [writer._people]:
                file._file.seek(file._whole)
                file._file.write(file._separator + b'{"image": "photos/c.jpg", "peo')
        else:
            stop = KeyboardInterrupt if how == "stopped" else None
            results.__exit__(stop, None, None)
    with opened(form, tmp_path, resume=True) as results:
        assert results.done == {name for name, _ in work[:done]}
        for name, people in work[done:]:
            results.write(name, people)
    assert rows(form, tmp_path) == expected(*work)
    assert not list(tmp_path.glob("*.partial*"))


@pytest.mark.parametrize("form", RESUMABLE)
def test_resume_begins_an_unfinished_video_anew(tmp_path: Path, poses: Poses, form: Format) -> None:
    with pytest.raises(KeyboardInterrupt), opened(form, tmp_path) as results:  # noqa: PT012
        results.write(NAMES[0], poses)
        with results.video("whole.mp4"):
            results.write("whole.mp4", poses[:1], 0, 0.0)
        with pytest.raises(VoteposeError), results.video("damaged.mp4"):  # noqa: PT012
            results.write("damaged.mp4", poses[:1], 0, 0.0)
            raise VoteposeError("cut short")
        with results.video("a.mp4"):
            results.write("a.mp4", poses, 0, 0.0)
            raise KeyboardInterrupt
    assert len(rows(form, tmp_path)) == 8
    with opened(form, tmp_path, resume=True) as results:
        assert results.done == {NAMES[0], "whole.mp4", "damaged.mp4"}
    assert len(rows(form, tmp_path)) == 5


@pytest.mark.parametrize("form", RESUMABLE)
def test_resume_that_stops_at_once_loses_nothing(tmp_path: Path, poses: Poses, form: Format) -> None:
    with opened(form, tmp_path) as results:
        results.write(NAMES[0], poses)
    with pytest.raises(KeyboardInterrupt), opened(form, tmp_path, resume=True):
        raise KeyboardInterrupt
    assert rows(form, tmp_path) == expected((NAMES[0], poses))


@pytest.mark.parametrize("which", ["_people", "_images"])
def test_an_image_that_cannot_be_written_leaves_nobody_behind(
    tmp_path: Path, poses: Poses, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OSError, match="full"), opened("coco", tmp_path) as results:  # noqa: PT012
        results.write(NAMES[0], poses)
        writer: Any = results._writer
        real, calls = getattr(writer, which).append, []

        def full(entry: str) -> None:
            calls.append(entry)
            if len(calls) == (2 if which == "_people" else 1):
                raise OSError("full")
            real(entry)

        monkeypatch.setattr(getattr(writer, which), "append", full)
        results.write(NAMES[1], poses)
    assert rows("coco", tmp_path) == expected((NAMES[0], poses))


def test_resumed_coco_ids_stay_different(tmp_path: Path, poses: Poses) -> None:
    with opened("coco", tmp_path, ["7.jpg"]) as results:
        results.write("7.jpg", poses)
    names = ["7.jpg", "b.jpg", "9.jpg"]
    with opened("coco", tmp_path, names, resume=True) as results:
        for name in names[1:]:
            results.write(name, poses)
    assert {name for name, _ in rows("coco", tmp_path)} == set(names)


def test_what_cannot_be_resumed_is_one_line(tmp_path: Path, poses: Poses) -> None:
    with opened("records", tmp_path) as results:
        results.write(NAMES[0], poses)
    before = results.path.read_bytes()
    other = {"input size": 64}
    for act, said in [
        (lambda: Results("records", tmp_path, COCO_17, NAMES, other, True), "made with input size 96, not 64"),
        (lambda: opened("coco", tmp_path, resume=True), "made with format records, not coco"),
        (lambda: opened("csv", tmp_path, resume=True), "a table does not list images without people"),
    ]:
        with pytest.raises(VoteposeError, match=said) as caught:
            act()
        assert "\n" not in str(caught.value)
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(VoteposeError, match="is not a note"):
        opened("records", tmp_path, resume=True)
    (tmp_path / "run.json").unlink()
    with pytest.raises(VoteposeError, match="nothing says how it was made"):
        opened("records", tmp_path, resume=True)
    assert results.path.read_bytes() == before


def test_results_with_a_broken_line_are_not_resumed(tmp_path: Path, poses: Poses) -> None:
    with opened("records", tmp_path) as results:
        results.write(NAMES[0], poses)
    broken = b'{"image": \n' + results.path.read_bytes()
    results.path.write_bytes(broken)
    with pytest.raises(VoteposeError, match="byte 0 is in a broken line"), opened("records", tmp_path, resume=True):
        pass
    assert results.path.read_bytes() == broken
    assert not list(tmp_path.glob("poses.jsonl.*"))


@pytest.mark.parametrize("form", FORMATS)
def test_memory_stays_flat(tmp_path: Path, form: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("votepose.writers.tables._ROWS", 200)
    poses = some_poses(1)
    tracemalloc.start()
    with opened(form, tmp_path, ["a.jpg"]) as results:
        sizes = []
        for k in range(3000):
            results.write(f"{k}.jpg", poses)
            if k in (1000, 2999):
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
    top = tracemalloc.take_snapshot().statistics("lineno")[:5]
    tracemalloc.stop()
    assert sizes[1] - sizes[0] < 100_000, top


@pytest.mark.parametrize("form", RESUMABLE)
def test_what_grows_is_valid_at_every_moment(tmp_path: Path, poses: Poses, form: Format) -> None:
    with opened(form, tmp_path) as results:
        for name in NAMES:
            results.write(name, poses)
            for path in tmp_path.glob("*.partial"):
                whole = path.read_text()
                [json.loads(line) for line in whole.splitlines()] if "jsonl" in path.name else json.loads(whole)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(VoteposeError, match=r'pip install "votepose\[parquet\]"'):
        Results("parquet", tmp_path, COCO_17)
    assert not list(tmp_path.iterdir())


def test_image_ids_are_the_stems_only_if_all_are_different_integers(tmp_path: Path) -> None:
    assert numbered(["000000000139.jpg", "7.png"])
    for names in (["139.jpg", "a.jpg"], ["x/7.jpg", "y/7.jpg"], ["\u00b2_.jpg", "\u00b2.jpg"], []):
        assert not numbered(names)
    writer = CocoWriter(tmp_path, COCO_17, ["000000000139.jpg", "7.png"])
    writer.begin()
    for name in ("000000000139.jpg", "7.png"):
        writer.write(name, Poses.empty())
    writer.close()
    listed = json.loads((tmp_path / "images.json").read_text())["images"]
    assert [image["id"] for image in listed] == [139, 7]


FILES = st.sampled_from(["a.jpg", "A.jpg", "a-2.jpg", "a.png", "a.tif", "a.tif.png", "b/a.jpg", "a", "c/a.bmp"])


@given(st.sets(FILES, min_size=1), st.sampled_from([".", "b", "out"]))
def test_drawings_have_paths_of_their_own_and_spare_the_inputs(files: set[str], out: str) -> None:
    paths = [Path(file) for file in sorted(files)]
    targets = picture_paths(images(*paths), Path(out))
    keys = [str(target.absolute()).casefold() for target in targets]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & {str(path.absolute()).casefold() for path in paths}
    assert all(target.suffix in (".jpg", ".png") for target in targets)


def test_drawings_keep_their_relative_names() -> None:
    paths = [Path("x/a.jpg"), Path("y/a.jpg"), Path("y/b.gif")]
    targets = [target.as_posix() for target in picture_paths(images(*paths), Path("out"))]
    assert targets == ["out/x/a.jpg", "out/y/a.jpg", "out/y/b.gif.png"]
    assert picture_paths(images("x/a.jpg"), Path("out")) == [Path("out/a.jpg")]


def test_pictures_are_saved_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "deep" / "a.png"
    save_picture(Image.new("RGB", (4, 4), "red"), target)

    def fails(self: Image.Image, path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fails)
    with pytest.raises(OSError, match="No space"):
        save_picture(Image.new("RGB", (4, 4), "blue"), target)
    assert np.asarray(Image.open(target))[0, 0].tolist() == [255, 0, 0]
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_folder(tmp_path / "new" / "folder")
    assert not list((tmp_path / "new" / "folder").iterdir())
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/votepose")):
        with pytest.raises(VoteposeError, match=f"^{path}: .*choose another --out$"):
            prepare_folder(path)

    def denied(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "touch", denied)
    with pytest.raises(VoteposeError, match="Permission denied"):
        prepare_folder(tmp_path)


def test_drawn_videos_spare_the_inputs_under_every_suffix() -> None:
    clips = [Input("x/a.mkv", "video"), Input("x/a.mp4", "video"), Input("x/b.avi", "video"), *images("x/a.png")]
    targets = picture_paths(clips, Path("x"))
    drawn = {target.with_suffix(suffix).as_posix() for target in targets[:3] for suffix in (".mp4", ".mkv", ".webm")}
    assert len(drawn) == 9
    assert not drawn & {one.name for one in clips}
    assert targets[3] == Path("x/a-2.png")


def test_drawings_of_addresses_are_named_after_them() -> None:
    mixed = [Input("/data/x/a.jpg", "image"), Input("https://a.org/b/c.jpg", "url"), Input("webcam:0", "live"),
             Input("/data/x/b.jpg", "image")]  # fmt: skip
    targets = [target.as_posix() for target in picture_paths(mixed, Path("out"))]
    assert targets == ["out/a.jpg", "out/a.org/b/c.jpg", "out/webcam-0.mp4", "out/b.jpg"]


def test_writers_take_many_people(tmp_path: Path) -> None:
    with opened("coco", tmp_path) as results:
        results.write(NAMES[0], some_poses(200))
    assert len(json.loads(results.path.read_text())) == 200
    assert math.isfinite(rows("coco", tmp_path)[0][1])
