"""A contact sheet of generated pictures, to look at before training on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from votepose.data.coco import load_coco
from votepose.data.sample import Sample
from votepose.io.files import save_picture
from votepose.poses import Poses
from votepose.skeleton import COCO_17
from votepose.visualization.draw import draw

_HEIGHT = 240  # of a picture on the sheet, about, in pixels
_WIDTH = 2000  # of the sheet
_GAP = 6


def write_sheet(folder: Path, count: int) -> Path:
    """Write sheet.jpg into a COCO-format folder: its first `count` pictures, each with and without the keypoints drawn.

    Hidden joints are drawn as rings, like the inferred joints of a prediction.
    """
    rows: list[list[Image.Image]] = [[]]
    for sample in load_coco(folder, limit=count).samples:
        if sum(pair.width + _GAP for pair in rows[-1]) > 0.8 * _WIDTH:
            rows.append([])
        rows[-1].append(_pair(sample))
    strips = [_strip(row) for row in rows]
    sheet = Image.new("RGB", (_WIDTH, sum(strip.height + _GAP for strip in strips) - _GAP), "white")
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height + _GAP
    path = folder / "sheet.jpg"
    save_picture(sheet, path)
    return path


def _strip(row: list[Image.Image]) -> Image.Image:
    """A row of the sheet, scaled to its width; a row of few pictures is not scaled."""
    strip = Image.new("RGB", (sum(pair.width + _GAP for pair in row) - _GAP, _HEIGHT), "white")
    left = 0
    for pair in row:
        strip.paste(pair, (left, 0))
        left += pair.width + _GAP
    if strip.width < 0.7 * _WIDTH:
        return strip
    return strip.resize((_WIDTH, max(1, round(_HEIGHT * _WIDTH / strip.width))), Image.Resampling.LANCZOS)


def _pair(sample: Sample) -> Image.Image:
    """The picture, and beside it the picture with its poses drawn."""
    views = [Image.fromarray(sample.image), draw(sample.image, _poses(sample))]
    width = max(1, round(views[0].width * _HEIGHT / views[0].height))
    pair = Image.new("RGB", (2 * width, _HEIGHT))
    for number, view in enumerate(views):
        pair.paste(view.resize((width, _HEIGHT), Image.Resampling.LANCZOS), (number * width, 0))
    return pair


def _poses(sample: Sample) -> Poses:
    """The labels as `Poses`; joints outside the picture have no confidence, so that they are not drawn."""
    points, v = sample.keypoints[..., :2], sample.keypoints[..., 2]
    size = sample.image.shape[1], sample.image.shape[0]
    sure = np.ones(len(points), np.float32)
    return Poses(points, (v > 0).astype(np.float32), v == 2, sure, COCO_17, size, sample.name)
