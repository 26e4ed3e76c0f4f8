"""predict: videos, lists, addresses; runs that are stopped and resumed. Images are tested in test_main."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

import votepose.commands.predict
import votepose.commands.predict_run
import votepose.outputs.sink
import votepose.video.drawing
import votepose.video.reader
from helpers.clips import RATE, audio_packets, dot_centres, dot_frames, save_clip, set_matrix
from helpers.fake_model import Predict, red_dot, save_jpeg
from votepose.commands import main as cli
from votepose.commands import model_options
from votepose.commands.predict_config import PredictConfig, VideoFlags
from votepose.io.inputs import Input
from votepose.poses import Poses
from votepose.skeleton import COCO_17, Skeleton
from votepose.video.reader import VideoReader


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@dataclass(frozen=True)
class Tall:
    """Finds a body of 40 x 80 pixels at the red dot, and another beside it, both shaken a little."""

    skeleton: Skeleton = COCO_17
    input_size: int = 96
    presence_threshold: float = 0.5
    flip_test: bool = False
    score_threshold: float = 0.3

    def __call__(self, pixels: np.ndarray) -> Poses:
        random = np.random.default_rng(int(pixels.sum()))
        body = np.stack([np.arange(17) % 5 * 10.0, np.arange(17) // 5 * 20.0], axis=1) + dot_centres(pixels)
        points = np.stack([body, body + np.array([60, 0])]) + random.normal(0, 0.5, (2, 17, 2))
        sure = np.ones((2, 17))
        order = random.permutation(2)  # who is first is no sign of who it is
        return Poses(points[order], sure, sure, np.array([0.9, 0.8]), image_size=pixels.shape[1::-1])


@pytest.fixture
def tall(monkeypatch: pytest.MonkeyPatch) -> None:
    """`Tall` in place of the fake model."""
    monkeypatch.setattr(model_options, "load", lambda *_, **__: Tall())


def records(out: str = "out") -> list[dict]:
    return [json.loads(line) for line in Path(out, "poses.jsonl").read_text().splitlines()]


def photos(count: int) -> list[Path]:
    return [save_jpeg(Path(f"{k}.jpg"), red_dot(96, 64, 30, 20, 16)) for k in range(count)]


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


def test_images_and_videos_go_together(predict: Predict) -> None:
    photos(1)
    save_clip(Path("clip.mp4"), dot_frames(4))
    status, out, _ = predict("0.jpg", "clip.mp4", "--format", "csv", "--no-draw", "--no-track", "--max-frames", "2")
    assert status == 0
    assert out.startswith("1 image, 2 frames, 6 people, ")
    lines = Path("out/poses.csv").read_text().splitlines()
    assert [line.split(",")[:3] for line in lines[1::2]] == [
        ["0.jpg", "", ""],
        ["clip.mp4", "0", "0.0"],
        ["clip.mp4", "1", "0.1"],
    ]
    assert sorted(os.listdir("out")) == ["poses.csv", "run.json"]


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


def test_realtime_drops_what_it_cannot_follow(predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = save_clip(Path("clip.mp4"), dot_frames(8)).resolve()
    monkeypatch.setattr(votepose.video.reader, "open_stream", lambda av, _: av.open(str(clip)))
    real = votepose.outputs.sink.draw

    def slow(*args: object) -> object:
        time.sleep(0.25)
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(votepose.outputs.sink, "draw", slow)
    status, out, _ = predict("http://camera.example/clip.mp4", "--realtime")
    assert status == 0
    assert "dropped" in out
    found = records()
    frames = [record["frame"] for record in found]
    assert frames == sorted(set(frames))
    assert len(frames) < 8
    monkeypatch.undo()
    with VideoReader(
        str(clip.parent / "out/camera.example/clip.mp4")
    ) as reader:  # what is left is shown at its own time
        for frame, record in zip(reader, found, strict=True):
            assert frame.time == pytest.approx(record["time"], abs=0.002)


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
    assert 3 <= len(records()) < 12
    assert sorted(os.listdir("out")) == ["poses.jsonl", "run.json"]
    assert predict(*names, "--no-draw", "--resume")[0] == 0
    assert [record["image"] for record in records()] == names


def test_a_video_that_is_stopped_is_valid_as_far_as_it_goes(predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    save_clip(Path("clip.mp4"), dot_frames(8), audio="aac")
    real, drawn = votepose.outputs.sink.draw, []

    def stopping(*args: object) -> object:
        drawn.append(1)
        if len(drawn) == 5:
            raise KeyboardInterrupt
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(votepose.outputs.sink, "draw", stopping)
    status, out, err = predict("clip.mp4")
    assert status == 130
    assert err == "votepose: stopped; the results so far are kept\n"
    assert out.startswith("4 frames, 8 people, 1 not done")
    with VideoReader("out/clip.mp4") as reader:
        assert len(list(reader)) == 4
    assert sorted(os.listdir("out")) == ["clip.mp4", "poses.jsonl", "run.json"]
    assert predict("clip.mp4", "--resume")[0] == 0
    assert [record["frame"] for record in records()] == list(range(8))


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


def test_a_missing_camera_and_a_missing_encoder_are_one_line(predict: Predict) -> None:
    status, _, err = predict("webcam:97")
    assert status == 1
    assert err.startswith("votepose: webcam:97: no such camera")
    save_clip(Path("clip.mp4"), dot_frames(2))
    status, _, err = predict("clip.mp4", "--video-codec", "nothing")
    assert status == 1
    assert "cannot encode nothing" in err
    assert err.count("\n") == 1


def test_a_live_stream_is_read_over_the_network(predict: Predict) -> None:
    frames = _jpegs(dot_frames(5))

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=b")
            self.end_headers()
            for jpeg in frames:
                head = f"--b\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")
            self.wfile.write(b"--b--\r\n")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Camera) as web:
        Thread(target=web.handle_request, daemon=True).start()
        status, out, err = predict(f"video:http://127.0.0.1:{web.server_address[1]}/mjpg", "--no-draw")
    assert (status, err) == (0, "")
    assert out.startswith("5 frames, 10 people")


def _jpegs(frames: list[np.ndarray]) -> list[bytes]:
    return [save_jpeg(Path(f"camera-{k}.jpg"), pixels).read_bytes() for k, pixels in enumerate(frames)]


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
        (("clip.mp4", "--realtime"), "--realtime is for cameras and streams"),
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


def test_live_inputs_choose_the_fast_model_and_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    with_model = votepose.commands.predict._with_model
    camera, photo = Input("webcam:0", "live"), Input("a.jpg", "image")
    chosen = with_model(PredictConfig(images=("webcam:0",)), [photo, camera]).model
    assert chosen.path.name == "fast.onnx"
    assert capsys.readouterr().err == (
        "votepose: webcam:0: live input, using the fast model (override with --model accurate)\n"
    )
    clip = Input("http://camera/mjpg", "video")  # may end, or may not
    realtime = PredictConfig(images=("video:http://camera/mjpg",), video=VideoFlags(realtime=True))
    assert with_model(realtime, [clip]).model.path.name == "fast.onnx"
    assert "using the fast model" in capsys.readouterr().err
    accurate = model_options.ModelOptions(model="accurate")
    for config, inputs in (
        (PredictConfig(images=("a.jpg",)), [photo]),
        (PredictConfig(images=("video:http://camera/mjpg",)), [clip]),
        (PredictConfig(images=("webcam:0",), model=accurate), [camera]),
    ):
        assert with_model(config, inputs).model.path.name == "votepose.onnx"
    assert capsys.readouterr().err == ""


def test_an_unknown_model_is_one_line_with_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    save_jpeg(Path("a.jpg"), red_dot(96, 96, 40, 40, 8))
    assert cli.main(["predict", "a.jpg", "--model", "medium"]) == 2
    assert capsys.readouterr().err == ("votepose: error: --model medium: no such model; choose accurate or fast\n")
