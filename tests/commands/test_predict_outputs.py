"""predict: crops, contact sheets, joint angles, clips of one person, errors in the records, HEIC."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import votepose.outputs.sink
from helpers.clips import dot_frames, save_clip
from helpers.fake_model import Predict, red_dot, save_jpeg
from helpers.predict_runs import Walker, stop_at_drawing
from votepose.commands import model_options
from votepose.errors import VoteposeError
from votepose.poses import Poses
from votepose.video.reader import VideoReader

pytest.importorskip("av")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def walker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person at the red dot and a less certain one beside, in place of the fake model."""
    monkeypatch.setattr(model_options, "load", lambda *_, **__: Walker())


def records(out: str = "out") -> list[dict]:
    return [json.loads(line) for line in Path(out, "poses.jsonl").read_text().splitlines()]


def files(folder: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def angle_rows(out: str = "out") -> list[dict]:
    with open(Path(out, "angles.csv"), newline="") as file:
        return list(csv.DictReader(file))


def photo(path: str) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return save_jpeg(Path(path), red_dot(128, 96, 40, 30, 16))


@pytest.mark.usefixtures("walker")
def test_crops_have_a_file_for_each_person_and_never_share_one(predict: Predict) -> None:
    for name in ("p/a/x.jpg", "p/b/x.jpg", "p/b/x.jpeg"):
        photo(name)
    save_clip(Path("p/clip.mp4"), dot_frames(2))
    status, _, err = predict("p", "--recursive", "--no-draw", "--crops", "people")
    assert (status, err) == (0, "")
    assert files("people") == sorted(
        [f"{name}-{k:02d}.jpg" for name in ("a/x", "b/x.jpg", "b/x.jpeg") for k in (1, 2)]
        + [f"clip/{frame:06d}-id{k:02d}.jpg" for frame in (0, 1) for k in (1, 2)]
    )
    assert predict("p", "--recursive", "--no-draw", "--crops", "people", "--resume", "--max-people", "1")[0] == 2
    assert predict("p/a", "p/clip.mp4", "--no-track", "--crops", "few", "--max-people", "1", "--out", "few")[0] == 0
    assert [name for name in files("few") if "person" in name or "-01" in name] == [
        "a/x-01.jpg",
        "clip/000000-person01.jpg",
        "clip/000001-person01.jpg",
    ]


@pytest.mark.usefixtures("walker")
def test_angles_are_a_table_and_a_plot(predict: Predict) -> None:
    photo("x.jpg")
    save_clip(Path("clip.mp4"), dot_frames(6))
    status, _, err = predict("x.jpg", "clip.mp4", "--angles", "knee, left_elbow", "--no-draw")
    assert (status, err) == (0, "")
    rows = angle_rows()
    assert list(rows[0]) == ["image", "frame", "time", "person", "id", "left_knee", "right_knee", "left_elbow"]
    assert [(r["image"], r["frame"], r["time"], r["person"], r["id"]) for r in rows[:4]] == [
        ("x.jpg", "", "", "0", ""),
        ("x.jpg", "", "", "1", ""),
        ("clip.mp4", "0", "0.0", "0", "1"),
        ("clip.mp4", "0", "0.0", "1", "2"),
    ]
    assert len(rows) == 14
    assert {r["left_knee"] for r in rows} == {"90.0"}
    assert {r["right_knee"] for r in rows} == {""}  # not seen
    assert files("out") == ["angles.csv", "angles/clip.png", "poses.jsonl", "run.json"]
    assert Image.open("out/angles/clip.png").size[0] > 800


@pytest.mark.usefixtures("walker")
def test_a_resumed_run_completes_angles_crops_and_the_sheet(predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    photo("x.jpg")
    photo("y.jpg")
    save_clip(Path("clip.mp4"), dot_frames(6))
    extra = ("--angles", "knee", "--crops", "out/crops", "--contact-sheet", "out/sheet.png", "--follow", "1")
    argv = ("x.jpg", "clip.mp4", "y.jpg", *extra)
    real = votepose.outputs.sink.draw
    stop_at_drawing(4, monkeypatch)
    assert predict(*argv)[0] == 130
    assert len(angle_rows()) == 2 + 2 * 2
    stopped = Image.open("out/sheet.png").size
    monkeypatch.setattr(votepose.outputs.sink, "draw", real)
    assert predict(*argv, "--resume")[0] == 0
    names = [r["image"] for r in angle_rows()]
    assert names == ["x.jpg"] * 2 + ["clip.mp4"] * 12 + ["y.jpg"] * 2
    assert len(files("out/crops")) == 2 + 12 + 2
    with VideoReader("out/follow/clip-1.mp4") as reader:
        assert len(list(reader)) == 6
    sheet = np.asarray(Image.open("out/sheet.png"))
    assert sheet.shape[1::-1] == stopped
    assert (sheet[100, 800:900] != 255).any()  # the third tile
    status, _, err = predict(*argv[:3], *extra[2:], "--resume")
    assert status == 2
    assert "out/poses.jsonl: was made with angles knee, not None" in err


@pytest.mark.usefixtures("walker")
def test_at_most_so_many_people_are_kept(predict: Predict) -> None:
    photo("x.jpg")
    save_clip(Path("clip.mp4"), dot_frames(6))
    assert predict("x.jpg", "clip.mp4", "--max-people", "1", "--no-draw")[1].startswith("1 image, 6 frames, 7 people")
    assert [[p.get("id") for p in r["people"]] for r in records()] == [[None]] + [[1]] * 6


@pytest.mark.usefixtures("walker")
def test_ids_end_at_a_cut_unless_they_shall_not(predict: Predict) -> None:
    random = np.random.default_rng(1)
    other = [np.kron(random.integers(60, 120, (6, 8, 1)), np.ones((16, 16, 3))).astype(np.uint8) for _ in range(2)]
    frames = []
    for k in range(12):
        frame = np.clip(other[k // 6] * np.array([[0.6, 1.6, 1.0], [1.2, 1.0, 2.0]][k // 6]), 0, 255).astype(np.uint8)
        frame[40:56, 40 + k : 56 + k] = (255, 0, 0)
        frames.append(frame)
    save_clip(Path("clip.mp4"), frames)
    for argv, ids in [((), [{1, 2}] * 6 + [{3, 4}] * 6), (("--no-cuts",), [{1, 2}] * 12)]:
        assert predict("clip.mp4", "--no-draw", *argv)[0] == 0
        assert [{p["id"] for p in r["people"]} for r in records()] == ids


@pytest.mark.usefixtures("walker")
def test_a_clip_follows_one_person(predict: Predict) -> None:
    save_clip(Path("clip.mp4"), dot_frames(6), audio="aac")
    assert predict("clip.mp4", "--follow", "1")[0] == 0
    assert files("out") == ["clip.mp4", "follow/clip-1.mp4", "poses.jsonl", "run.json"]
    with VideoReader("out/follow/clip-1.mp4") as reader:
        assert [frame.pixels.shape for frame in reader] == [(96, 96, 3)] * 6
    status, out, err = predict("clip.mp4", "--follow", "7", "--out", "other")
    assert (status, err) == (1, "votepose: clip.mp4: has no track 7 for --follow; its tracks are 1, 2\n")
    assert "1 failed" in out
    assert files("other") == ["clip.mp4", "poses.jsonl", "run.json"]
    assert len(records("other")) == 6


@pytest.mark.usefixtures("walker")
def test_what_cannot_be_read_is_in_the_records_and_tried_again(predict: Predict) -> None:
    photo("p/a.jpg")
    photo("p/c.jpg")
    Path("p/b.jpg").write_text("not yet")
    for form in ("records", "coco"):
        argv = ("p", "--no-draw", "--out", form, "--format", form)
        Path("p/b.jpg").write_text("not yet")
        assert predict(*argv, "--resume")[0] == 1
        if form == "records":
            found = records("records")
            assert [r["image"] for r in found] == ["p/a.jpg", "p/b.jpg", "p/c.jpg"]
            assert found[1] == {"image": "p/b.jpg", "error": "p/b.jpg: is not an image of a known format"}
            with pytest.raises(VoteposeError, match=r"^p/b\.jpg: is not an image of a known format$"):
                Poses.from_record(found[1])
        assert predict(*argv, "--resume")[1].startswith("0 images, 0 people, 2 done before, 1 failed")
        photo("p/b.jpg")
        status, out, err = predict(*argv, "--resume")
        assert (status, err) == (0, "")
        assert out.startswith("1 image, 2 people, 2 done before, ")
    assert [r["image"] for r in records("records")] == ["p/a.jpg", "p/c.jpg", "p/b.jpg"]
    assert not [r for r in records("records") if "error" in r]
    assert len(json.loads(Path("coco/images.json").read_text())["images"]) == 3


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (("--max-people", "0"), "--max-people should be at least 1, but is 0"),
        (("--every", "0"), "--every should be at least 1, but is 0"),
        (("--start", "5", "--end", "0:04"), "--end 0:04: should be later than the start, 5"),
        (("--angles", "kne"), "--angles kne: 'kne' is not an angle of this model's skeleton; available: knee, elbow"),
        (("--angles", ""), "--angles : '' is not an angle"),
        (("--follow", "0"), "--follow should be at least 1, but is 0"),
        (("--follow", "1", "--no-track"), "--follow follows a track: leave out --no-track"),
        (("--no-cuts", "--no-track"), "--no-cuts has no effect with --no-track"),
        (("--crops", "."), "clip.mp4: lies in the output folder .; choose another --crops"),
        (("--crops", "clip.mp4/x"), "is a file or lies in one; choose another --crops"),
        (("--contact-sheet", "sheet.pdf"), "--contact-sheet sheet.pdf: should be a file ending in .jpg"),
        (("--engine", "ray", "--crops", "x"), "--engine ray writes records and drawings: leave out --crops"),
        (("--engine", "ray", "--follow", "1"), "--engine ray processes images, not videos: leave out --follow"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(predict: Predict, argv: tuple[str, ...], line: str) -> None:
    save_clip(Path("clip.mp4"), dot_frames(2))
    status, _, err = predict("clip.mp4", *argv)
    assert status == 2
    assert line in err
    assert err.count("\n") == 1
    assert os.listdir() == ["clip.mp4"]


@pytest.mark.parametrize("argv", [("--follow", "1"), ("--show",), ("--no-cuts",)])
def test_what_is_for_videos_is_refused_for_images(predict: Predict, argv: tuple[str, ...]) -> None:
    photo("x.jpg")
    status, _, err = predict("x.jpg", *argv)
    assert (status, err.count("\n")) == (2, 1)
    assert f"{argv[0]} is for videos and live streams" in err


def test_a_sheet_does_not_replace_an_input_and_angles_need_matplotlib(
    predict: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo("x.jpg")
    assert "--contact-sheet x.jpg: is one of the inputs" in predict("x.jpg", "--contact-sheet", "x.jpg")[2]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert 'pip install ".[plot]"' in predict("x.jpg", "--angles", "knee")[2]
    assert os.listdir() == ["x.jpg"]


def test_heic_without_its_extra_is_one_line(predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    Path("x.heic").write_bytes(b"\0\0\0\x20ftypheic0000mif1")
    status, _, err = predict("x.heic", "--no-draw")
    assert status == 1
    assert err == (
        'votepose: x.heic: is a HEIC image, which needs pi-heif: pip install ".[heic]" in a clone of votepose, or '
        "convert it to JPEG\n"
    )
