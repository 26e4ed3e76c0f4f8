"""Inputs and options: lists, mixed inputs, and mistakes in one line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from helpers.clips import dot_frames, save_clip
from helpers.fake_model import Predict, red_dot, save_jpeg
from helpers.predict_runs import photos, records
from votepose.commands import main as cli


def test_images_and_videos_go_together(predict: Predict) -> None:
    photos(1)
    save_clip(Path("clip.mp4"), dot_frames(4))
    status, out, _ = predict("0.jpg", "clip.mp4", "--format", "csv", "--no-draw", "--no-track", "--max-frames", "2")
    assert status == 0
    assert out.startswith("1 image, 2 frames, 6 people, ")
    assert "ms/image or frame; " in out
    lines = Path("out/poses.csv").read_text().splitlines()
    assert [line.split(",")[:3] for line in lines[1::2]] == [
        ["0.jpg", "", ""],
        ["clip.mp4", "0", "0.0"],
        ["clip.mp4", "1", "0.1"],
    ]
    assert sorted(os.listdir("out")) == ["poses.csv", "run.json"]


def test_lists_stdin_and_addresses_are_inputs(predict: Predict) -> None:
    photos(2)
    Path("list.txt").write_text("0.jpg\nnone.jpg\nhttp://127.0.0.1:9/a.jpg\n1.jpg\n")
    status, out, err = predict("--list", "list.txt", "--no-draw")
    assert status == 1
    assert out.startswith("2 images, 4 people, 2 failed")
    assert err.splitlines()[0] == "votepose: none.jpg: no such file"
    assert err.splitlines()[1].startswith("votepose: http://127.0.0.1:9/a.jpg: cannot be reached")
    assert [record["image"] for record in records()] == ["0.jpg", "none.jpg", "http://127.0.0.1:9/a.jpg", "1.jpg"]
    assert [record.get("error") for record in records()][:2] == [None, "none.jpg: no such file"]


def test_mistakes_are_one_line_and_leave_no_folder(predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    save_clip(Path("clip.mp4"), dot_frames(2))
    Path("empty.txt").touch()
    for argv, said in [
        (("clip.mp4", "--smooth", "--no-track"), "leave out --no-track"),
        (("clip.mp4", "--max-frames", "0"), "at least 1"),
        (("webcam:0", "--resume"), "webcam:0: a live stream cannot be resumed"),
        (("empty.txt",), "empty.txt: the list is empty"),
        (("--list", "none.txt"), "none.txt: cannot be read as a list"),
        ((), "no inputs given"),
        (("none.mp4",), "none.mp4: no such file"),
    ]:
        status, _, err = predict(*argv)
        assert status == 2
        assert said in err
        assert err.count("\n") == 1
        assert not Path("out").exists()
    monkeypatch.setitem(sys.modules, "av", None)
    assert 'pip install ".[video]"' in predict("clip.mp4")[2]
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("0.jpg", "--smooth"), "--smooth is for videos and live streams, and the inputs contain none"),
        (("0.jpg", "--max-frames", "3"), "--max-frames is for videos"),
        (("0.jpg", "--every", "2"), "--every is for videos"),
        (("0.jpg", "--start", "1"), "--start is for videos"),
        (("0.jpg", "--no-track"), "--no-track is for videos"),
        (("0.jpg", "--video-codec", "mpeg4"), "--video-codec is for videos"),
        (("0.jpg", "--as-video", "5"), "--as-video is for folders of images and numbered sequences"),
        (("clip.mp4", "--as-video", "5"), "--as-video is for folders of images and numbered sequences"),
        (("0.jpg", "--realtime"), "--realtime is for videos and live streams"),
        (("clip.mp4", "--no-draw", "--video-codec", "mpeg4"), "--video-codec is for drawn videos"),
        (("0.jpg", "--no-draw", "--scores"), "--scores is for drawings"),
        (("0.jpg", "--recursive"), "--recursive is for folders"),
        (("clip.mp4", "--every", "0"), "--every should be at least 1"),
        (("clip.mp4", "--start", "soon"), "--start soon: should be seconds, m:ss or h:mm:ss"),
        (("clip.mp4", "--start", "5", "--end", "0:05"), "--end 0:05: should be later than the start, 5"),
        ((".", "--as-video", "0"), "--as-video should be frames per second"),
        (("0.jpg", "--engine", "ray", "--smooth"), "--engine ray processes images, not videos: leave out --smooth"),
    ],
)
def test_options_that_would_do_nothing_are_refused(predict: Predict, argv: tuple[str, ...], message: str) -> None:
    photos(1)
    save_clip(Path("clip.mp4"), dot_frames(2))
    status, _, err = predict(*argv)
    assert status == 2
    assert err.startswith(f"votepose: error: {message}")
    assert err.count("\n") == 1
    assert not Path("out").exists()


def test_an_unknown_model_is_one_line_with_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    save_jpeg(Path("a.jpg"), red_dot(96, 96, 40, 40, 8))
    assert cli.main(["predict", "a.jpg", "--model", "medium"]) == 2
    assert capsys.readouterr().err == ("votepose: error: --model medium: no such model; choose accurate or fast\n")
