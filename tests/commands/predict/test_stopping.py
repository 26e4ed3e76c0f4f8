"""Stopped runs keep what is done, and --resume continues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import votepose.commands.predict_run
from helpers.clips import dot_frames, save_clip
from helpers.fake_model import Predict
from helpers.predict_runs import photos, records, stop_at_drawing
from votepose.video.reader import VideoReader


def test_resume_leaves_out_what_is_done(predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    photos(4)
    Path("2.jpg").rename("2.later")
    Path("2.jpg").write_text("not yet")
    assert predict("*.jpg", "--no-draw", "--resume")[0] == 1
    Path("2.later").rename("2.jpg")
    looked: list[str] = []
    real = votepose.commands.predict_run.read_image
    monkeypatch.setattr(
        votepose.commands.predict_run, "read_image", lambda path: (looked.append(path.name), real(path))[1]
    )
    status, out, err = predict("*.jpg", "--no-draw", "--resume")
    assert (status, looked, err) == (0, ["2.jpg"], "")
    assert out.startswith("1 image, 2 people, 3 done before, ")
    assert sorted(record["image"] for record in records()) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    status, out, err = predict("*.jpg", "--no-draw", "--resume", "--input-size", "64")
    assert status == 2
    assert err == (
        "votepose: error: out/poses.jsonl: was made with input size 96, not 64; "
        "leave out --resume to replace it, or choose another --out\n"
    )
    assert out == ""
    assert predict("*.jpg", "--no-draw", "--resume", "--format", "csv")[0] == 2


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_keep_what_is_done_and_resume_goes_on(predict: Predict, fake_model: Path, stop: int) -> None:
    names = [str(path) for path in photos(12)]
    code = (
        "import sys, time, votepose.commands.predict_run as p\n"
        "from votepose.commands.main import main\n"
        "real = p.read_image\n"
        "p.read_image = lambda path: (time.sleep(0.05), real(path), print('read', flush=True))[1]\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    argv = [sys.executable, "-c", code, "predict", *names, "--weights", str(fake_model), "--no-draw"]
    run = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout is not None
    for _ in range(4):
        assert run.stdout.readline() == "read\n"
    run.send_signal(stop)
    out, err = run.communicate(timeout=30)
    assert run.returncode == 130, err
    assert err == "votepose: stopped; the results so far are kept\n"
    assert "not done" in out
    assert 1 <= len(records()) < 12  # up to two of the four that were read are still in progress
    assert sorted(os.listdir("out")) == ["poses.jsonl", "run.json"]
    assert predict(*names, "--no-draw", "--resume")[0] == 0
    assert [record["image"] for record in records()] == names


def test_a_video_that_is_stopped_is_valid_as_far_as_it_goes(predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    save_clip(Path("clip.mp4"), dot_frames(8), audio="aac")
    stop_at_drawing(5, monkeypatch)
    status, out, err = predict("clip.mp4")
    assert status == 130
    assert err == "votepose: stopped; the results so far are kept\n"
    assert out.startswith("4 frames, 8 people, 1 not done")
    with VideoReader("out/clip.mp4") as reader:
        assert len(list(reader)) == 4
    assert sorted(os.listdir("out")) == ["clip.mp4", "poses.jsonl", "run.json"]
    assert predict("clip.mp4", "--resume")[0] == 0
    assert [record["frame"] for record in records()] == list(range(8))
