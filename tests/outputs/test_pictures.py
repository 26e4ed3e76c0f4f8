"""Crops hold the person and some margin; a contact sheet has pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.fake_model import some_poses
from votepose.io.inputs import Input
from votepose.outputs.pictures import ContactSheet, crop
from votepose.outputs.sink import Item, Prediction
from votepose.poses import Pose


def pose_at(x1: float, y1: float, x2: float, y2: float) -> Pose:
    points = np.linspace((x1, y1), (x2, y2), 17)
    return Pose(points, np.ones(17), np.ones(17, bool), 0.9)


def test_a_crop_is_the_box_with_a_margin_inside_the_image() -> None:
    pixels = np.zeros((200, 300, 3), np.uint8)
    assert crop(pixels, pose_at(100, 50, 150, 150)).size == (90, 140)  # 20 % of 100 on each side
    assert crop(pixels, pose_at(-40, -50, 50, 50)).size == (70, 70)
    assert crop(pixels, pose_at(-90, -90, -30, -30)) is None
    assert crop(pixels, pose_at(500, 90, 530, 130)) is None


@pytest.mark.parametrize(("count", "pages"), [(3, ["sheet.jpg"]), (61, ["sheet-1.jpg", "sheet-2.jpg"]), (0, [])])
def test_a_contact_sheet_has_as_many_pages_as_needed(tmp_path: Path, count: int, pages: list[str]) -> None:
    found = Prediction(np.full((40, 60, 3), 200, np.uint8), some_poses(1, size=(60, 40)))
    with ContactSheet(tmp_path / "sheet.jpg", count) as sheet:
        for k in range(count):
            item = Item(Input(f"{k}.jpg", "image"), tmp_path / f"{k}.jpg", Path(str(k)))
            with sheet.open(item) as take:
                take(found)
    assert sorted(path.name for path in tmp_path.iterdir()) == pages


def test_a_contact_sheet_shows_what_an_earlier_run_has_drawn(tmp_path: Path) -> None:
    drawn, plain = tmp_path / "drawn.png", tmp_path / "plain.png"
    Image.new("RGB", (60, 40), "red").save(drawn)
    Image.new("RGB", (60, 40), "blue").save(plain)
    with ContactSheet(tmp_path / "sheet.png", 3) as sheet:
        sheet.skip(Item(Input(str(plain), "image"), drawn, Path("a")))
        sheet.skip(Item(Input(str(plain), "image"), tmp_path / "none.jpg", Path("b")))
        sheet.skip(Item(Input("gone.jpg", "image"), tmp_path / "none.jpg", Path("c")))
    colours = np.asarray(Image.open(tmp_path / "sheet.png"))[100, ::100]
    assert (colours == (255, 0, 0)).all(axis=1).any()
    assert (colours == (0, 0, 255)).all(axis=1).any()


def test_an_error_in_the_run_leaves_no_sheet(tmp_path: Path) -> None:
    found = Prediction(np.full((40, 60, 3), 200, np.uint8), some_poses(1, size=(60, 40)))
    for error, pages in ((OSError, []), (KeyboardInterrupt, ["sheet.jpg"])):
        with pytest.raises(error), ContactSheet(tmp_path / "sheet.jpg", 1) as sheet:  # noqa: PT012
            with sheet.open(Item(Input("a.jpg", "image"), tmp_path / "a.jpg", Path("a"))) as take:
                take(found)
            raise error
        assert [path.name for path in tmp_path.iterdir()] == pages
