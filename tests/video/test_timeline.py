"""Time stamps that begin anew, leap, wrap around or repeat: times continue, of sound and image together."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.clips import RATE, dot_frames, save_clip
from votepose.video.reader import VideoReader
from votepose.video.timeline import FrameClock, Timeline

WRAP = (95443.5, 95443.5 + 8 / RATE - 2**33 / 90000)  # where a transport stream's clock of 33 bits begins anew


def joined(folder: Path, *starts: float, count: int = 8, audio: str | None = None, codec: str = "mpeg4") -> Path:
    """Transport streams of `count` frames, whose times begin at `starts`, put together."""
    path = folder / "joined.ts"
    parts = []
    for start in starts:
        times = [start + k / RATE for k in range(count)]
        part = folder / f"{start}.ts"
        save_clip(part, dot_frames(count), times=times, audio=audio, container_format="mpegts", codec=codec)
        parts.append(part.read_bytes())
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
@pytest.mark.parametrize("starts", [(5, 5), (5, 3600), (100, 5), (5, 7200, 60), WRAP, (5, 5.8)])
def test_times_continue_where_stamps_jump(tmp_path: Path, starts: tuple[float, ...], codec: str) -> None:
    with VideoReader(str(joined(tmp_path, *starts, codec=codec))) as reader:
        times = [frame.time for frame in reader]
    assert times == pytest.approx([k / RATE for k in range(8 * len(starts))], abs=2e-3)
    assert reader.jumps == (0 if starts in (WRAP, (5, 5.8)) else len(starts) - 1)


@pytest.mark.parametrize("starts", [(5, 5), (5, 3600), (100, 5)])
def test_sound_jumps_with_the_picture(tmp_path: Path, starts: tuple[float, ...]) -> None:
    heard: list[float] = []
    with VideoReader(str(joined(tmp_path, *starts, count=20, audio="aac"))) as reader:
        reader.on_audio = lambda packet: heard.append(float(packet.pts * packet.time_base))
        assert len(list(reader)) == 40
    assert reader.jumps == 1
    assert max(heard) == pytest.approx(40 / RATE, abs=0.2)
    second = [time for time in heard if time >= 20 / RATE - 0.05]
    assert second[0] == pytest.approx(20 / RATE, abs=0.1)
    assert heard == sorted(heard)


def test_silence_in_a_transport_stream_is_no_jump() -> None:
    timeline = Timeline(may_jump=True)
    heard = []
    for second in range(60):
        for index in (0, 1) if second < 10 or second > 40 else (0,):
            stream = SimpleNamespace(index=index)
            packet = SimpleNamespace(pts=second, dts=second, duration=1, time_base=Fraction(1), stream=stream)
            timeline.correct(packet)
            heard += [packet.pts] * index
    assert timeline.jumps == 0
    assert heard == [*range(10), *range(41, 60)]


@pytest.mark.parametrize("suffix", [".mkv", ".flv"])
def test_an_hour_between_two_frames_is_a_jump_in_other_formats_too(tmp_path: Path, suffix: str) -> None:
    times = [0, 0.1, 0.2, 3600.2, 3600.3, 3600.4]
    codec = "flv" if suffix == ".flv" else "mpeg4"
    with VideoReader(str(save_clip(tmp_path / f"a{suffix}", dot_frames(6), times=times, codec=codec))) as reader:
        assert [frame.time for frame in reader] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5], abs=2e-3)
    assert reader.jumps == 1


def test_a_gap_in_a_file_is_kept(tmp_path: Path) -> None:
    times = [0, 0.1, 0.2, 60.0, 60.1]
    with VideoReader(str(save_clip(tmp_path / "a.mkv", dot_frames(5), times=times))) as reader:
        assert [frame.time for frame in reader] == pytest.approx(times, abs=1e-3)
    assert reader.jumps == 0


def test_rare_frames_are_not_jumps(tmp_path: Path) -> None:
    times = [900.0 * k for k in range(4)]
    with VideoReader(str(save_clip(tmp_path / "a.mp4", dot_frames(4), times=times))) as reader:
        assert [frame.time for frame in reader] == pytest.approx(times, abs=1e-3)


@pytest.mark.parametrize(
    ("stamps", "times"),
    [
        ([5, 6, 6, 8], [0, 1, 2, 3]),
        ([5, 6, 6, 7, 8, 9], [0, 1, 2, 2.5, 3, 4]),
        ([5, 5, 5, 5], [0, 1, 2, 3]),
        ([None, None, None], [0, 1, 2]),
        ([5, 6, 5.9, 7.1], [0, 1, 1.5, 2.1]),
        ([-1, 0, 1], [0, 1, 2]),
    ],
)
def test_every_frame_is_later_than_the_one_before(stamps: list[float | None], times: list[float]) -> None:
    clock = FrameClock(1.0)
    assert [clock(stamp) for stamp in stamps] == pytest.approx(times)


@pytest.mark.parametrize("origin", [1.4, 3600.0, 50_000.0])
def test_times_do_not_depend_on_the_first_stamp(origin: float) -> None:
    clock = FrameClock(0.04)
    assert [clock(origin + k / 25) for k in range(200)] == [k / 25 for k in range(200)]


def test_a_file_put_together_or_begun_between_key_frames_is_not_damaged(tmp_path: Path) -> None:
    content = joined(tmp_path, 5, 5, count=20, codec="libx264").read_bytes()
    late = tmp_path / "late.ts"
    late.write_bytes(content[188 * (len(content) // 188 // 4) :])
    with VideoReader(str(late)) as reader:
        assert len(list(reader)) >= 20


def test_times_are_exact_fractions_of_the_clock(tmp_path: Path) -> None:
    with VideoReader(str(joined(tmp_path, 1, 1, count=5))) as reader:
        times = [Fraction(frame.time).limit_denominator(1000) for frame in reader]
    assert times == [Fraction(k, RATE) for k in range(10)]
