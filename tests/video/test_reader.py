"""Video: every frame once, in order, at its time, upright; what cannot be read is one line."""

from __future__ import annotations

import gc
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from helpers.clips import RATE, av, dot_centres, dot_frames, save_clip
from helpers.fake_model import red_dot
from votepose.errors import VoteposeError
from votepose.io.inputs import Input
from votepose.video.reader import VideoReader


def test_every_frame_comes_once_at_its_time(tmp_path: Path) -> None:
    frames = dot_frames(12)
    with VideoReader(str(save_clip(tmp_path / "a.mp4", frames, audio="aac"))) as reader:
        found = list(reader)
    assert (reader.count, reader.rate, reader.live, len(reader.audio)) == (12, RATE, False, 1)
    assert [frame.index for frame in found] == list(range(12))
    assert [frame.time for frame in found] == pytest.approx([k / RATE for k in range(12)])
    for frame, pixels in zip(found, frames, strict=True):
        assert (frame.pixels.shape, frame.pixels.dtype) == (pixels.shape, np.uint8)
        assert dot_centres(frame.pixels) == pytest.approx(dot_centres(pixels), abs=0.6)


def test_a_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [5.0, 5.1, 5.5, 5.52, 7.0]
    with VideoReader(str(save_clip(tmp_path / "a.mkv", dot_frames(5), times=times))) as reader:
        assert [frame.time for frame in reader] == pytest.approx([0, 0.1, 0.5, 0.52, 2.0], abs=1e-3)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_phones_rotation_is_followed(tmp_path: Path, turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_clip(tmp_path / "a.mp4", dot_frames(2))
    content = bytearray(path.read_bytes())
    one, minus = (1 << 16).to_bytes(4, "big"), (-(1 << 16)).to_bytes(4, "big", signed=True)
    zero, w = bytes(4), (1 << 30).to_bytes(4, "big")
    rotations = {1: (zero, minus, one, zero), 2: (minus, zero, zero, minus), 3: (zero, one, minus, zero)}
    a, b, c, d = rotations[turns]  # of a track header's matrix; counterclockwise quarter turns, as np.rot90's
    place = content.index(b"tkhd") + 4 + 40  # where version 0's matrix begins
    content[place : place + 36] = a + b + zero + c + d + zero + zero + zero + w
    path.write_bytes(content)
    with VideoReader(str(path)) as reader:
        found = next(iter(reader)).pixels
    expected = np.rot90(dot_frames(1)[0], turns)
    assert found.shape == expected.shape
    assert dot_centres(found) == pytest.approx(dot_centres(expected), abs=0.7)


def test_audio_is_handed_on_and_starts_with_the_picture(tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.mkv", dot_frames(10), times=[2 + k / RATE for k in range(10)], audio="flac")
    heard: list[float] = []
    with VideoReader(str(path)) as reader:
        reader.on_audio = lambda packet: heard.append(float(packet.pts * packet.time_base))
        assert len(list(reader)) == 10
    assert len(heard) > 5
    assert heard[0] == pytest.approx(-2, abs=0.03)  # the tone began two seconds before the image


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder of files that cannot be read, or only in part, and what the error says of each."""
    tmp_path = tmp_path_factory.mktemp("broken")
    whole = save_clip(tmp_path / "whole.mp4", dot_frames(60), audio="aac").read_bytes()
    fast = save_clip(tmp_path / "fast.mp4", dot_frames(60), faststart=True).read_bytes()
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("hello\n" * 100)
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])  # its index was at the end
    (tmp_path / "half.mp4").write_bytes(fast[: len(fast) // 2])
    (tmp_path / "folder.mp4").mkdir()
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
        frame.sample_rate = 48000
        container.mux([*sound.encode(frame), *sound.encode()])
    messages = {
        "empty.mp4": "not a video",
        "text.mp4": "not a video",
        "cut.mp4": "broken",
        "half.mp4": "cut short",
        "folder.mp4": "cannot be read",
        "sound.mp4": "holds no video",
        "none.mp4": "No such file",
    }
    return tmp_path, messages


def test_what_cannot_be_read_is_named_in_one_line(broken: tuple[Path, dict[str, str]]) -> None:
    folder, messages = broken
    for name, message in messages.items():
        with pytest.raises(VoteposeError, match=message) as caught, VideoReader(str(folder / name)) as reader:
            list(reader)
        assert str(caught.value).startswith(f"{folder / name}: ")
        assert "\n" not in str(caught.value)


def test_of_a_damaged_file_all_that_can_be_read_comes_first(
    broken: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    folder, found = broken[0], []
    with VideoReader(str(folder / "half.mp4")) as reader:
        frames = iter(reader)
        with pytest.raises(VoteposeError, match=r"damaged or cut short; \d+ of its frames"):
            found += frames  # keeps what came before the error
    assert 10 < len(found) < 50
    content = bytearray((folder / "fast.mp4").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 300] = b"\xff" * 300
    (tmp_path / "bad.mp4").write_bytes(content)
    with VideoReader(str(tmp_path / "bad.mp4")) as reader:
        frames = iter(reader)
        assert next(frames).index == 0


def test_without_a_frame_it_says_so(tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.mkv", dot_frames(1))
    with av.open(str(path)) as full, av.open(str(tmp_path / "bare.mkv"), "w") as bare:
        bare.add_stream_from_template(full.streams.video[0])
        bare.start_encoding()
    with pytest.raises(VoteposeError, match="no frame"), VideoReader(str(tmp_path / "bare.mkv")) as reader:
        list(reader)


def test_a_camera_that_is_not_there_is_one_line() -> None:
    for name in ("webcam:97", "webcam:", "webcam:/dev/none"):
        if name == "webcam:" and Path("/dev/video0").exists():
            continue
        with pytest.raises(VoteposeError, match=r"^webcam:.*: no such camera") as caught:
            VideoReader(Input(name, "live"))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_is_not_there_is_one_line_without_the_password(scheme: str) -> None:
    with pytest.raises(VoteposeError) as caught:
        VideoReader(Input(f"{scheme}://me:secret@127.0.0.1:9/live", "live"))
    assert str(caught.value).startswith(f"{scheme}://127.0.0.1:9/live: ")
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_server_that_refuses_is_quoted_without_the_password() -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(401)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Refusing) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{web.server_port}/a.mp4"
        with pytest.raises(VoteposeError) as caught:
            VideoReader(Input(f"http://me:secret@{address}", "video"))
        web.shutdown()
    assert str(caught.value) == f"http://{address}: the server answers 401 Unauthorized (authorization failed)"


def test_without_pyav_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(VoteposeError, match=r'pip install "\.\[video\]"'):
        VideoReader(str(tmp_path / "a.mp4"))


def test_memory_does_not_grow_with_the_frames(tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.mp4", [red_dot(64, 64, 5, 5)] * 80)
    gc.collect()
    with VideoReader(str(path)) as reader:
        alive = [
            sum(isinstance(o, np.ndarray) for o in gc.get_objects()) for frame in reader if frame.index in (20, 70)
        ]
    assert alive[1] - alive[0] < 10


def test_a_damaged_transport_stream_is_named(tmp_path: Path) -> None:
    times = [5 + k / RATE for k in range(30)]
    content = save_clip(tmp_path / "a.ts", dot_frames(30), times=times, container_format="mpegts").read_bytes()
    middle = 188 * (len(content) // 188 // 2)
    (tmp_path / "a.ts").write_bytes(content[:middle] + content[middle + 3 * 188 :])
    with pytest.raises(VoteposeError, match="damaged"), VideoReader(str(tmp_path / "a.ts")) as reader:
        list(reader)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_sound_that_lasts_longer_does_not_make_a_file_damaged(tmp_path: Path, suffix: str) -> None:
    audio = "libmp3lame"
    with VideoReader(str(save_clip(tmp_path / f"a{suffix}", dot_frames(5), audio=audio, tone=60))) as reader:
        assert len(list(reader)) == 5


def test_only_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        still = container.add_stream("mjpeg", rate=RATE)
        still.height, still.width, still.pix_fmt = 96, 128, "yuvj420p"
        still.disposition = av.stream.Disposition.attached_pic
        sound = container.add_stream("aac", rate=48000, layout="mono")
        picture = av.VideoFrame.from_ndarray(dot_frames(1)[0], format="rgb24").reformat(format="yuvj420p")
        picture.pts = 0
        container.mux([*still.encode(picture), *still.encode()])
        piece = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
        piece.sample_rate = 48000
        container.mux([*sound.encode(piece), *sound.encode()])
    with pytest.raises(VoteposeError, match="holds no video, only a cover image"):
        VideoReader(str(path))
