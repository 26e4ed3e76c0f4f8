"""Layouts survive a round trip through the file, and any other file is one error line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from votepose.errors import VoteposeError
from votepose.synth.layouts import Layouts

Arrays = dict[str, np.ndarray]


@pytest.fixture
def arrays() -> Arrays:
    """Three images: of two people, of none, of one."""
    keypoints = np.zeros((3, 17, 3), np.float32)
    keypoints[:, 0] = [[10, 20, 2], [30, 40, 1], [50, 60, 2]]
    return {
        "image_id": np.arange(3),
        "width_height": np.array([[640, 480], [100, 100], [300, 600]], np.int16),
        "offset": np.array([0, 2, 2, 3]),
        "box": np.array([[0, 0, 50, 100], [20, 30, 40, 50], [1, 2, 3, 4]], np.float32),
        "keypoints": keypoints,
    }


def saved(arrays: Arrays, folder: Path) -> Path:
    np.savez(folder / "layouts.npz", **arrays)
    return folder / "layouts.npz"


def test_a_picture_has_its_people(arrays: Arrays, tmp_path: Path) -> None:
    layouts = Layouts.load(saved(arrays, tmp_path))
    assert [len(layout) for layout in layouts] == [2, 0, 1]
    assert len(layouts) == 3
    first, last = layouts[0], layouts[-1]
    assert (first.width, first.height, last.width, last.height) == (640, 480, 300, 600)
    np.testing.assert_array_equal(first.keypoints, arrays["keypoints"][:2])
    np.testing.assert_array_equal(last.boxes, arrays["box"][2:])


def test_there_is_no_picture_beyond_the_last(arrays: Arrays, tmp_path: Path) -> None:
    layouts = Layouts.load(saved(arrays, tmp_path))
    for index in (3, -4):
        with pytest.raises(IndexError):
            layouts[index]


def test_scaling_keeps_proportions_and_visibility(arrays: Arrays, tmp_path: Path) -> None:
    layout = Layouts.load(saved(arrays, tmp_path))[2]
    half = layout.scaled(300)
    assert (half.width, half.height) == (150, 300)
    np.testing.assert_allclose(half.keypoints[..., :2], layout.keypoints[..., :2] / 2)
    np.testing.assert_array_equal(half.keypoints[..., 2], layout.keypoints[..., 2])
    np.testing.assert_allclose(half.boxes, layout.boxes / 2)
    with pytest.raises(ValueError, match="positive"):
        layout.scaled(0)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("offset", np.array([0, 2, 1, 3]), "offset"),
        ("offset", np.array([0, 2, 3]), "offset"),
        ("box", np.zeros((2, 4)), "keypoints"),
        ("keypoints", np.zeros((3, 18, 3)), "18"),
        ("keypoints", np.full((3, 17, 3), np.nan), "finite"),
        ("width_height", np.array([[640, 480], [0, 100], [300, 600]]), "positive"),
        ("box", np.array([["a"] * 4] * 3), "box"),
    ],
)
def test_arrays_that_do_not_fit_together_are_told(
    arrays: Arrays, tmp_path: Path, name: str, array: np.ndarray, message: str
) -> None:
    path = saved({**arrays, name: array}, tmp_path)
    with pytest.raises(VoteposeError, match=message) as raised:
        Layouts.load(path)
    assert "\n" not in str(raised.value)


def test_missing_broken_and_foreign_files_are_told(arrays: Arrays, tmp_path: Path) -> None:
    whole = saved(arrays, tmp_path).read_bytes()
    lone = tmp_path / "lone.npy"
    np.save(lone, np.zeros(3))
    foreign = tmp_path / "foreign.npz"
    np.savez(foreign, images=np.zeros(3))
    for name, content in {
        "text.npz": b"not a zip\nat all",
        "cut.npz": whole[: len(whole) // 2],
        "empty.npz": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
    for path in (tmp_path / "none.npz", tmp_path, foreign, lone, *tmp_path.glob("[tce]*.npz")):
        with pytest.raises(VoteposeError) as raised:
            Layouts.load(path)
        assert "\n" not in str(raised.value)
        assert path.name in str(raised.value)
