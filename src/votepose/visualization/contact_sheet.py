"""Arranges many images on one sheet, in rows of equal width."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

TILE_HEIGHT = 240  # approximate height in pixels; each row is scaled to the sheet's width
_WIDTH = 2000  # of the sheet, in pixels
_GAP = 6


def contact_sheet(tiles: Sequence[Image.Image]) -> Image.Image:
    """The tiles, all of one height, row by row on a white sheet; a short last row is not scaled."""
    rows: list[list[Image.Image]] = [[]]
    for tile in tiles:
        if sum(other.width + _GAP for other in rows[-1]) > 0.8 * _WIDTH:
            rows.append([])
        rows[-1].append(tile)
    strips = [_strip(row) for row in rows]
    sheet = Image.new("RGB", (_WIDTH, sum(strip.height + _GAP for strip in strips) - _GAP), "white")
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height + _GAP
    return sheet


def tile(views: Sequence[Image.Image]) -> Image.Image:
    """Views of one image side by side, shrunk to the height of a tile."""
    width = max(1, round(views[0].width * TILE_HEIGHT / views[0].height))
    joined = Image.new("RGB", (len(views) * width, TILE_HEIGHT))
    for number, view in enumerate(views):
        joined.paste(view.resize((width, TILE_HEIGHT), Image.Resampling.LANCZOS), (number * width, 0))
    return joined


def captioned(picture: Image.Image, text: str) -> Image.Image:
    """A copy of a tile with a caption below it."""
    height = TILE_HEIGHT // 12
    marked = Image.new("RGB", (picture.width, picture.height + height), (20, 22, 28))
    marked.paste(picture)
    pen = ImageDraw.Draw(marked)
    font = ImageFont.load_default(13)
    while len(text) > 1 and pen.textlength(text, font=font) > picture.width - 8:
        text = f"…{text[2:]}" if text.startswith("…") else f"…{text[1:]}"  # names differ at the end
    pen.text((4, picture.height + height / 2), text, font=font, fill="white", anchor="lm")
    return marked


def _strip(row: Sequence[Image.Image]) -> Image.Image:
    strip = Image.new("RGB", (sum(tile.width + _GAP for tile in row) - _GAP, row[0].height), "white")
    left = 0
    for tile in row:
        strip.paste(tile, (left, 0))
        left += tile.width + _GAP
    if strip.width < 0.7 * _WIDTH:
        return strip
    return strip.resize((_WIDTH, max(1, round(strip.height * _WIDTH / strip.width))), Image.Resampling.LANCZOS)
