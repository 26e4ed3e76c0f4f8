"""A contact sheet of generated pictures: what one looks at before training on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from votepose.data.coco import Sample, load_coco
from votepose.draw import Style, draw
from votepose.poses import Poses
from votepose.skeleton import COCO_17
from votepose.writers import save_picture

_TILE = 320  # pixels
_GAP = 6


def write_sheet(folder: Path, count: int) -> Path:
    """Write sheet.jpg into a COCO-format folder: its first `count` pictures, each beside itself with the truth drawn.

    Joints that are hidden are drawn hollow, as a predictor's inferred ones are.
    """
    samples = load_coco(folder, limit=count).samples
    columns = max(1, min(4, len(samples)))
    rows = -(-len(samples) // columns)
    cell = np.array([2 * _TILE + 2 * _GAP, _TILE + _GAP])
    sheet = Image.new("RGB", (columns * int(cell[0]), rows * int(cell[1])), "white")
    for number, sample in enumerate(samples):
        corner = (np.array([number % columns, number // columns]) * cell).tolist()
        for picture in (sample.image, draw(sample.image, _poses(sample), Style())):
            tile = Image.fromarray(np.asarray(picture))
            tile.thumbnail((_TILE, _TILE))
            sheet.paste(tile, tuple(corner))
            corner[0] += _TILE
    path = folder / "sheet.jpg"
    save_picture(sheet, path)
    return path


def _poses(sample: Sample) -> Poses:
    """The truth as a predictor would tell it; joints outside the picture have no confidence, so they are not drawn."""
    points, v = sample.keypoints[..., :2], sample.keypoints[..., 2]
    size = sample.image.shape[1], sample.image.shape[0]
    return Poses(
        points, (v > 0).astype(np.float32), v == 2, np.ones(len(points), np.float32), COCO_17, size, sample.name
    )
