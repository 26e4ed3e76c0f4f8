"""A clip of one person: of one size, centred, steady, from the first to the last frame with them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from helpers.clips import dot_centres
from helpers.fake_model import red_dot
from votepose.errors import VoteposeError
from votepose.io.inputs import Input
from votepose.outputs.sink import Item, Prediction
from votepose.poses import Poses
from votepose.video.follow import FollowedPerson, _Clip
from votepose.video.reader import VideoReader


class Clip:
    """What the sink sees of a reader."""

    rate, codec, audio = Fraction(10), "mpeg4", ()
    on_audio = print


class Written:
    """A writer that only notes the times."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def write(self, pixels: np.ndarray, time: float) -> None:
        self.times.append(time)


def person(x: float, y: float, size: float, track: int) -> Poses:
    points = np.stack([np.linspace(-size / 2, size / 2, 17)] * 2, axis=1) + np.array([x, y])
    ones = np.ones((1, 17))
    return Poses(points[None], ones, ones, np.ones(1), image_size=(640, 360), ids=np.array([track]))


def write(folder: Path, tracks: list[int], follow: int = 1, shake: float = 0.0) -> None:
    """A person who walks to the right at 8 pixels a frame, with a red dot at their middle."""
    random = np.random.default_rng(0)
    item = Item(Input("clip.mp4", "video"), folder / "clip.mp4", Path("sub/clip"), Clip())
    with FollowedPerson(follow, folder / "follow", False, None).open(item) as take:
        for k, track in enumerate(tracks):
            x, y = 150 + 8 * k, 180
            poses = person(*(np.array([x, y]) + random.normal(0, shake, 2)), 100, track)
            take(Prediction(red_dot(640, 360, x - 8, y - 8, 16), poses if track else poses[:0], None, k, k / 10))


def read(path: Path) -> list[np.ndarray]:
    with VideoReader(str(path)) as reader:
        return [frame.pixels for frame in reader]


def test_the_person_stays_in_the_middle_and_nothing_jumps(tmp_path: Path) -> None:
    write(tmp_path, [1] * 40, shake=4.0)
    frames = read(tmp_path / "follow/sub/clip-1.mp4")
    assert {frame.shape for frame in frames} == {(360, 360, 3)}
    assert len(frames) == 40
    centres = np.array([dot_centres(frame) for frame in frames])
    assert np.abs(centres - 180).max() < 70  # the window is 160 pixels wide, shown at 360
    assert np.abs(np.diff(centres, axis=0)).max() < 16


def test_frames_without_the_person_are_shown_only_between_two_with(tmp_path: Path) -> None:
    write(tmp_path, [2, 0, 1, 1, 0, 0, 1, 1, 0, 2])
    assert len(read(tmp_path / "follow/sub/clip-1.mp4")) == 6


def test_frames_are_not_held_back_once_the_track_is_over(tmp_path: Path) -> None:
    clip = _Clip(writer := Written())
    for k in range(100):
        box = np.array([100, 100, 200, 200.0]) if k in (0, 5) else None
        clip.add(Prediction(red_dot(640, 360, 0, 0), person(0, 0, 1, 1), None, k, k / 10), box, False)
        assert len(clip._waiting) <= 10
    assert writer.times == [0, 0.1, 0.2, 0.3, 0.4, 0.5]


def test_a_track_that_is_not_there_is_one_line_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(VoteposeError, match=r"^clip\.mp4: has no track 5 for --follow; its tracks are 1, 2$"):
        write(tmp_path, [2, 1, 0], follow=5)
    with pytest.raises(VoteposeError, match="it has none"):
        write(tmp_path, [0, 0])
    assert list(tmp_path.rglob("*.*")) == []


def test_a_person_at_the_edge_or_larger_than_the_frame_is_cut_by_it(tmp_path: Path) -> None:
    item = Item(Input("clip.mp4", "video"), tmp_path / "clip.mp4", Path("clip"), Clip())
    with FollowedPerson(3, tmp_path, False, None).open(item) as take:
        for k, (x, y, size) in enumerate([(5, 5, 50), (320, 180, 900), (639, 359, 2)]):
            take(Prediction(red_dot(640, 360, 0, 0), person(x, y, size, 3), None, k, k / 10))
    assert {frame.shape for frame in read(tmp_path / "clip-3.mp4")} == {(360, 360, 3)}
