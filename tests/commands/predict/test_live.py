"""Cameras, streams and real time."""

from __future__ import annotations

import re
import time
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

import votepose.commands.predict
import votepose.video.reader
from helpers.clips import RATE, dot_frames, save_clip
from helpers.fake_model import Predict, save_jpeg
from helpers.predict_runs import Tall, records
from votepose.commands import model_options
from votepose.commands.predict_config import PredictConfig, VideoFlags
from votepose.io.inputs import Input
from votepose.poses import Poses
from votepose.video.reader import Frame, VideoReader


class SlowDot(Tall):
    """Takes two and a half frames for one."""

    def __call__(self, pixels: np.ndarray) -> Poses:
        time.sleep(2.5 / RATE)
        return super().__call__(pixels)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """`SlowDot` in place of the fake model."""
    monkeypatch.setattr(model_options, "load", lambda *_, **__: SlowDot())


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("name", ["clip.mp4", "http://camera.example/clip.mp4"])
def test_realtime_drops_what_it_cannot_follow(predict: Predict, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    clip = str(save_clip(Path("clip.mp4"), dot_frames(12), audio="aac").resolve())
    with monkeypatch.context() as patch:
        patch.setattr(votepose.video.reader, "open_stream", lambda av, _: av.open(clip))
        begin = time.monotonic()
        status, out, _ = predict(name, "--realtime")
    assert time.monotonic() - begin > 11 / RATE  # when the last frame is due
    assert status == 0
    kept, dropped = counts(out)
    found = records()
    frames = [record["frame"] for record in found]
    assert frames == sorted(set(frames))
    assert frames[-1] == 11
    assert len(frames) == kept
    assert kept + dropped == 12
    assert dropped > 0
    assert {person["id"] for record in found for person in record["people"]} == {1, 2}
    with VideoReader("out/" + name.removeprefix("http://")) as reader:  # what is left is shown at its own time
        assert reader.audio == []
        for frame, record in zip(reader, found, strict=True):
            assert frame.time == pytest.approx(record["time"], abs=0.002)


@pytest.mark.usefixtures("slow")
def test_realtime_plays_a_part_of_a_file(predict: Predict) -> None:
    save_clip(Path("clip.mp4"), dot_frames(12))
    _, out, _ = predict("clip.mp4", "--realtime", "--no-draw", "--start", "0.2", "--end", "1.1", "--every", "2")
    kept, dropped = counts(out)
    assert kept + dropped == 5
    assert {record["frame"] for record in records()} <= {2, 4, 6, 8, 10}
    status, _, err = predict("clip.mp4", "--resume", "--no-draw", "--start", "0.2", "--end", "1.1", "--every", "2")
    assert status != 0
    assert "made with realtime True, not None" in err


def test_realtime_says_that_nothing_was_dropped(predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("votepose.video.predict.LatestFrames", InNoHurry)
    save_clip(Path("clip.mp4"), dot_frames(3))
    assert predict("clip.mp4", "--realtime")[1].startswith("3 frames, 6 people, 0 frames dropped, ")


class InNoHurry:
    """All frames, whenever they are asked for."""

    dropped = 0

    def __init__(self, reader: VideoReader) -> None:
        self._reader = reader

    def __iter__(self) -> Generator[Frame, None, None]:
        yield from self._reader


def counts(out: str) -> tuple[int, int]:
    """The frames kept and dropped."""
    found = re.match(r"(\d+) frames?, \d+ people, (\d+) frames? dropped, ", out)
    assert found, out
    return int(found[1]), int(found[2])


def test_a_missing_camera_and_a_missing_encoder_are_one_line(predict: Predict) -> None:
    status, _, err = predict("webcam:97")
    assert status == 1
    assert err.startswith("votepose: webcam:97: no such camera")
    save_clip(Path("clip.mp4"), dot_frames(2))
    status, _, err = predict("clip.mp4", "--video-codec", "nothing", "--out", "new")
    assert status == 2
    assert "cannot encode nothing" in err
    assert err.count("\n") == 1
    assert not Path("new").exists()  # found before the run


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
    file = Input("clip.mp4", "video")
    assert with_model(realtime, [photo, file]).model.path.name == "fast.onnx"
    assert capsys.readouterr().err == (
        "votepose: clip.mp4: in real time, using the fast model (override with --model accurate)\n"
    )
    accurate = model_options.ModelOptions(model="accurate")
    for config, inputs in (
        (PredictConfig(images=("a.jpg",)), [photo]),
        (PredictConfig(images=("video:http://camera/mjpg",)), [clip]),
        (PredictConfig(images=("clip.mp4",)), [file]),
        (PredictConfig(images=("webcam:0",), model=accurate), [camera]),
    ):
        assert with_model(config, inputs).model.path.name == "votepose.onnx"
    assert capsys.readouterr().err == ""
