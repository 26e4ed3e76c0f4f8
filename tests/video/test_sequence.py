"""Images as the frames of a video: numbered sequences and folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.fake_model import red_dot, save_jpeg
from votepose.errors import VoteposeError
from votepose.io.inputs import Input
from votepose.io.sequences import numbered_frames, sequence_path
from votepose.video.part import Part
from votepose.video.sequence import open_video


def pictures(folder: Path, *names: str) -> list[Path]:
    return [save_jpeg(folder / name, red_dot(96, 64, 10 + k, 20, 16)) for k, name in enumerate(names)]


def sequence(pattern: str) -> Input:
    return Input(pattern, "video", numbered_frames(pattern))


def test_the_frames_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    pictures(tmp_path, "f_0008.jpg", "f_0009.jpg", "f_0010.jpg", "f_0013.jpg", "f_11.jpg", "f_00012.jpg", "g_0011.jpg")
    with open_video(sequence(str(tmp_path / "f_%04d.jpg")), rate=10) as reader:
        found = list(reader)
    assert [frame.index for frame in found] == [0, 1, 2, 5]  # 11 and 12 are missing
    assert [frame.time for frame in found] == pytest.approx([0, 0.1, 0.2, 0.5])


@pytest.mark.parametrize(
    ("pattern", "names", "count"),
    [
        ("%d.jpg", ("1.jpg", "10.jpg", "2.jpg", "x.jpg"), 3),
        ("a%3d.jpg", ("a001.jpg", "a1000.jpg", "a01.jpg"), 2),
        ("a[1]%02d.jpg", ("a[1]01.jpg", "a101.jpg"), 1),
        ("a.jpg", ("a.jpg",), 0),
        ("%d-%d.jpg", ("1-1.jpg",), 0),
        ("100%.jpg", ("100%.jpg",), 0),
        ("%d.jpg", ("%d.jpg", "1.jpg"), 0),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, names: tuple[str, ...], count: int) -> None:
    pictures(tmp_path, *names)
    assert len(numbered_frames(str(tmp_path / pattern))) == count


def test_a_part_and_a_broken_picture(tmp_path: Path) -> None:
    paths = pictures(tmp_path, *(f"{k}.jpg" for k in range(10)))
    paths[4].write_text("broken")
    one = sequence(str(tmp_path / "%d.jpg"))
    found: list[int] = []
    with open_video(one, Part(2, 0.2, 0.9), 10) as reader:
        frames = (frame.index for frame in reader)
        with pytest.raises(VoteposeError, match=r"4\.jpg"):
            found += frames  # keeps what came before the error
    assert found == [2, 6, 8]
    assert reader.count == 4
    with pytest.raises(VoteposeError, match="ends after"), open_video(one, Part(start=9), 10) as reader:
        list(reader)


def test_results_are_named_without_the_number() -> None:
    assert sequence_path("a/frame_%06d.png") == Path("a/frame.png")
    assert sequence_path("a/%d.png") == Path("a/frames.png")
    assert sequence_path("a/frames") == Path("a/frames")


@pytest.mark.parametrize(("rate", "interval"), [(0.000556, 1 / 0.000556), (0.0003, 10_000 / 3), (0.5, 2), (30, 1 / 30)])
def test_any_rate_gives_its_times(tmp_path: Path, rate: float, interval: float) -> None:
    pictures(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    with open_video(sequence(str(tmp_path / "%d.jpg")), rate=rate) as reader:
        assert [frame.time for frame in reader] == pytest.approx([0, interval, 2 * interval], rel=1e-6)
