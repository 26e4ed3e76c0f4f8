"""Videos: records, the drawing, parts of a video, sequences of images, and damaged files."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import votepose.video.drawing
from helpers.clips import RATE, audio_packets, dot_frames, save_clip, set_matrix
from helpers.fake_model import Predict, save_jpeg
from helpers.predict_runs import records
from votepose.video.reader import VideoReader


def test_the_summary_of_videos_counts_frames_even_if_there_are_none(predict: Predict) -> None:
    save_clip(Path("clip.mp4"), dot_frames(2))
    assert predict("clip.mp4", "--no-draw")[0] == 0
    assert predict("clip.mp4", "--no-draw", "--resume")[1].startswith("0 frames, 0 people, 1 done before; ")
    Path("broken.mp4").write_bytes(Path("clip.mp4").read_bytes()[:100])
    status, out, _ = predict("broken.mp4", "--out", "broken")
    assert (status, out) == (1, "0 frames, 0 people, 1 failed; results in broken\n")


@pytest.mark.usefixtures("tall")
def test_a_video_becomes_records_and_a_drawn_video_with_its_sound(predict: Predict) -> None:
    save_clip(Path("clip.mp4"), dot_frames(8), audio="aac")
    status, out, err = predict("clip.mp4")
    assert (status, err) == (0, "")
    assert out.startswith("8 frames, 16 people, ")
    assert "ms/frame; results in out" in out
    found = records()
    assert [(r["image"], r["frame"]) for r in found] == [("clip.mp4", k) for k in range(8)]
    assert [r["time"] for r in found] == pytest.approx([k / RATE for k in range(8)])
    for number in (1, 2):
        xs = [p["keypoints"]["nose"]["x"] for r in found for p in r["people"] if p["id"] == number]
        assert np.diff(xs) == pytest.approx([3] * 7, abs=2.5)
    with VideoReader("out/clip.mp4") as reader:
        drawn = [frame.pixels for frame in reader]
    assert len(drawn) == 8
    assert all((picture != pixels).any() for picture, pixels in zip(drawn, dot_frames(8), strict=True))
    assert b"".join(audio_packets(Path("out/clip.mp4"))) == b"".join(audio_packets(Path("clip.mp4")))
    assert sorted(os.listdir("out")) == ["clip.mp4", "poses.jsonl", "run.json"]


@pytest.mark.usefixtures("tall")
def test_smoothing_changes_only_where_the_keypoints_are(predict: Predict) -> None:
    save_clip(Path("clip.mp4"), dot_frames(6))
    predict("clip.mp4", "--no-draw", "--out", "plain")
    predict("clip.mp4", "--no-draw", "--out", "smooth", "--smooth")
    for plain, smooth in zip(records("plain"), records("smooth"), strict=True):
        assert [p["id"] for p in plain["people"]] == [p["id"] for p in smooth["people"]]
        assert [p["score"] for p in plain["people"]] == [p["score"] for p in smooth["people"]]
    assert records("plain")[0] == records("smooth")[0]
    assert records("plain")[-1] != records("smooth")[-1]


def test_the_input_video_is_never_drawn_over(predict: Predict) -> None:
    path = save_clip(Path("clip.mp4"), dot_frames(3))
    before = path.read_bytes()
    assert predict("clip.mp4", "--out", ".")[0] == 0
    assert path.read_bytes() == before
    assert Path("clip-2.mp4").exists()


def test_a_damaged_video_gives_what_can_be_read_and_a_line(predict: Predict) -> None:
    whole = save_clip(Path("clip.mp4"), dot_frames(60), faststart=True).read_bytes()
    Path("clip.mp4").write_bytes(whole[: len(whole) // 2])
    status, out, err = predict("clip.mp4")
    assert status == 1
    assert err.startswith("votepose: clip.mp4: is damaged or cut short; ")
    assert err.count("\n") == 1
    assert " failed" in out
    with VideoReader("out/clip.mp4") as reader:
        assert len(list(reader)) == len(records()) > 10


@pytest.mark.parametrize("name", ["empty.mp4", "text.mov"])
def test_what_is_no_video_leaves_nothing_but_a_line(predict: Predict, name: str) -> None:
    Path(name).write_text("hello" * 100 * (name != "empty.mp4"))
    status, _, err = predict(name)
    assert status == 1
    assert err == f"votepose: {name}: is not a video of a known format, or is broken\n"
    assert sorted(os.listdir("out")) == ["poses.jsonl", "run.json"]
    assert records() == [{"image": name, "error": f"{name}: is not a video of a known format, or is broken"}]


def test_a_full_disk_leaves_no_half_video(predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    save_clip(Path("clip.mp4"), dot_frames(6))
    real = votepose.video.drawing.VideoWriter.write

    def full(self: object, pixels: np.ndarray, when: float) -> None:
        if when > 0.2:
            raise OSError(28, "No space left on device", "out/clip.mp4")
        real(self, pixels, when)  # type: ignore[arg-type]

    monkeypatch.setattr(votepose.video.drawing.VideoWriter, "write", full)
    status, _, err = predict("clip.mp4")
    assert status == 2
    assert err == "votepose: error: out/clip.mp4: No space left on device\n"
    assert sorted(os.listdir("out")) == ["poses.jsonl", "run.json"]


@pytest.mark.usefixtures("tall")
def test_a_mirrored_video_with_long_pixels_is_seen_and_drawn_as_it_is_shown(predict: Predict) -> None:
    path = save_clip(Path("clip.mp4"), dot_frames(4), pixel_shape=Fraction(2))
    set_matrix(path, (-1, 0, 0, 1))
    status, _, err = predict("clip.mp4")
    assert (status, err) == (0, "")
    assert [(r["width"], r["height"]) for r in records()] == [(256, 96)] * 4
    noses = [next(p["keypoints"]["nose"]["x"] for p in r["people"] if p["id"] == 1) for r in records()]
    assert np.diff(noses) == pytest.approx([-6] * 3, abs=3)
    with VideoReader("out/clip.mp4") as reader:
        assert [frame.pixels.shape for frame in reader] == [(96, 256, 3)] * 4


@pytest.mark.usefixtures("tall")
def test_time_stamps_that_jump_are_told_once(predict: Predict) -> None:
    parts = [save_clip(Path(f"{k}.ts"), dot_frames(6), times=[5 + j / RATE for j in range(6)]) for k in range(2)]
    Path("clip.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    status, _, err = predict("clip.ts")
    assert status == 0
    assert err == "votepose: clip.ts: its time stamps jump in one place; the times in the results continue there\n"
    assert [r["time"] for r in records()] == pytest.approx([k / RATE for k in range(12)], abs=1e-3)
    with VideoReader("out/clip.mp4") as reader:
        assert [frame.time for frame in reader] == pytest.approx([k / RATE for k in range(12)], abs=1e-3)


def test_another_format_than_the_sources_is_one_line_for_the_run(predict: Predict) -> None:
    for name in ("a.avi", "b.avi"):
        save_clip(Path(name), dot_frames(3), codec="flv")
    status, _, err = predict("a.avi", "b.avi")
    assert status == 0
    assert err.count("\n") == 1
    assert err.startswith("votepose: drawn as ")
    assert "not as flv1; use --video-codec for another" in err
    assert predict("a.avi", "--video-codec", "mpeg4", "--out", "chosen")[2] == ""
    assert Path("chosen/a.mp4").exists()
    assert "drawn" not in predict("a.avi", "--start", "1:00", "--out", "none")[2]  # nothing is


@pytest.mark.usefixtures("tall")
def test_a_part_of_a_video_is_processed_and_drawn(predict: Predict) -> None:
    save_clip(Path("clip.mp4"), dot_frames(20), audio="aac")
    status, out, err = predict("clip.mp4", "--every", "4", "--start", "0:00:00.4", "--end", "1.7")
    assert (status, err) == (0, "")
    assert out.startswith("4 frames, 8 people")
    assert [(r["frame"], r["time"]) for r in records()] == [(4, 0.4), (8, 0.8), (12, 1.2), (16, 1.6)]
    assert {p["id"] for r in records() for p in r["people"]} == {1, 2}
    with VideoReader("out/clip.mp4") as reader:
        assert [frame.time for frame in reader] == pytest.approx([0, 0.4, 0.8, 1.2], abs=1e-3)
    assert audio_packets(Path("out/clip.mp4"))
    status, _, err = predict("clip.mp4", "--start", "1:00")
    assert (status, err) == (1, "votepose: clip.mp4: ends after 1.9 s, before the requested start\n")


@pytest.mark.usefixtures("tall")
def test_ids_stay_where_frames_are_far_apart(predict: Predict) -> None:
    save_clip(Path("slow.mp4"), dot_frames(5), times=[2.0 * k for k in range(5)])
    save_clip(Path("long.mp4"), dot_frames(61, step=1))
    predict("slow.mp4", "--no-draw")
    assert {p["id"] for r in records() for p in r["people"]} == {1, 2}
    predict("long.mp4", "--no-draw", "--every", "20")
    assert {p["id"] for r in records() for p in r["people"]} == {1, 2}


@pytest.mark.usefixtures("tall")
def test_pictures_in_a_sequence_are_a_video(predict: Predict) -> None:
    Path("shot").mkdir()
    for k, pixels in enumerate(dot_frames(5)):
        save_jpeg(Path(f"shot/frame_{k + 8:03d}.jpg"), pixels)
    for argv, label, drawn, rate in [
        (("shot/frame_%03d.jpg",), "shot/frame_%03d.jpg", "frame.mp4", 25),
        (("shot/frame_%03d.jpg", "--as-video", "10"), "shot/frame_%03d.jpg", "frame.mp4", 10),
        (("shot", "--as-video", "5", "--smooth"), "shot", "shot.mp4", 5),
    ]:
        status, out, err = predict(*argv, "--out", "out", "--video-codec", "mpeg4")
        assert (status, err) == (0, "")
        assert out.startswith("5 frames, 10 people")
        assert [(r["image"], r["frame"]) for r in records()] == [(label, k) for k in range(5)]
        assert [r["time"] for r in records()] == pytest.approx([k / rate for k in range(5)])
        assert {p["id"] for r in records() for p in r["people"]} == {1, 2}
        with VideoReader(f"out/{drawn}") as reader:
            assert [frame.time for frame in reader] == pytest.approx([k / rate for k in range(5)], abs=1e-3)
    assert predict("shot", "--no-draw")[1].startswith("5 images")
    assert "none_%d.jpg: no such file" in predict("none_%d.jpg")[2]
