"""Every nth frame, start and end: the frames, their numbers and times, and the sound beside them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from helpers.clips import RATE, dot_frames, save_clip
from votepose.errors import VoteposeError
from votepose.video.part import Part, parse_time
from votepose.video.reader import VideoReader


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Part(), list(range(12))),
        (Part(every=5), [0, 5, 10]),
        (Part(start=0.35), list(range(4, 12))),
        (Part(end=0.4), [0, 1, 2, 3]),
        (Part(every=3, start=0.2, end=1.0), [2, 5, 8]),
        (Part(end=99), list(range(12))),
    ],
)
def test_frames_keep_their_numbers_and_times(tmp_path: Path, part: Part, expected: list[int]) -> None:
    path = save_clip(tmp_path / "a.mp4", dot_frames(12), audio="aac")
    heard: list[float] = []
    with VideoReader(str(path), part) as reader:
        reader.on_audio = lambda packet: heard.append(float(packet.pts * packet.time_base))
        found = list(reader)
    assert [frame.index for frame in found] == expected
    assert [frame.time for frame in found] == pytest.approx([k / RATE for k in expected])
    assert reader.count == len(expected)
    assert heard[0] == pytest.approx(0, abs=0.05)
    assert heard[-1] < expected[-1] / RATE - expected[0] / RATE + 0.5


def test_a_part_after_the_end_says_so(tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.mp4", dot_frames(12))
    with pytest.raises(VoteposeError, match=r"ends after 1\.1 s"), VideoReader(str(path), Part(start=60)) as reader:
        list(reader)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1:30", 90), ("0:01:30.5", 90.5), ("90:00", 5400), ("1:02:03", 3723), ("0", 0), ("7.25", 7.25)],
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_time(text, "--start") == seconds


@pytest.mark.parametrize("text", ["", "-5", "1:60", "1:2:3:4", "1h", "nan", ":30", "1:", "0:99:00", "1e3", "\u0661"])
def test_what_is_no_time_is_named(text: str) -> None:
    with pytest.raises(VoteposeError, match=r"--end .*: should be seconds, m:ss or h:mm:ss"):
        parse_time(text, "--end")


def test_an_unknown_length_stays_unknown() -> None:
    assert Part().frames(None, Fraction(25)) is None
    assert Part(end=2).frames(None, Fraction(25)) == 50
    assert Part(start=9).frames(100, Fraction(25)) == 0
