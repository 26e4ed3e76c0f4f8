"""Cameras, streams and real time."""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

import votepose.commands.predict
import votepose.outputs.sink
import votepose.video.reader
from helpers.clips import dot_frames, save_clip
from helpers.fake_model import Predict, save_jpeg
from helpers.predict_runs import records
from votepose.commands import model_options
from votepose.commands.predict_config import PredictConfig, VideoFlags
from votepose.io.inputs import Input
from votepose.video.reader import VideoReader


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
