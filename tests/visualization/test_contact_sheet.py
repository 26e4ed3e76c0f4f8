"""Contact sheets: every tile is on the sheet, in rows."""

from __future__ import annotations

import numpy as np
from PIL import Image

from votepose.visualization.contact_sheet import TILE_HEIGHT, captioned, contact_sheet, tile


def test_tiles_fill_rows_and_a_short_last_row_keeps_its_size() -> None:
    tiles = [tile([Image.new("RGB", (400, 120), "red")] * 2)] * 2  # 1600 wide each
    sheet = contact_sheet([*tiles, tile([Image.new("RGB", (60, 120), "blue")])])
    rows = np.asarray(sheet)
    assert sheet.width == 2000
    assert sheet.height > 2 * TILE_HEIGHT
    assert (rows[-TILE_HEIGHT:] == (0, 0, 255)).all(axis=-1).sum() == 120 * TILE_HEIGHT
    assert (rows[5] == (255, 0, 0)).all()


def test_a_caption_covers_nothing() -> None:
    """Feet are often at the lower edge."""
    picture = Image.new("RGB", (300, TILE_HEIGHT), "green")
    marked = captioned(picture, "photo.jpg")
    assert marked.crop((0, 0, 300, TILE_HEIGHT)).tobytes() == picture.tobytes()
    assert contact_sheet([marked]).height == marked.height > TILE_HEIGHT
