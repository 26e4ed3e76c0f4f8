"""Two panels: what each repair would win, and what is wrong with each joint. Drawn by Pillow alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from votepose.evaluation.error_analysis.joints import ERRORS, Kind
from votepose.evaluation.error_analysis.report import Table

_SMOOTH = 2  # drawn this many times larger, then scaled down
_ROW, _BAR, _NAMES, _WIDTH, _MARGIN, _HEAD = 24, 16, 120, 340, 40, 74  # pixels
_GROUND, _INK, _SOFT, _GRID = (250, 249, 246), (29, 32, 37), (107, 112, 120), (225, 222, 214)
_GAINS = {"repairs": (190, 90, 40), "oracles": (11, 110, 95)}
_KINDS = {
    Kind.GOOD: (11, 110, 95),
    Kind.JITTER: (128, 178, 160),
    Kind.INVERSION: (222, 168, 60),
    Kind.SWAP: (190, 90, 40),
    Kind.MISS: (90, 60, 90),
}


def draw_chart(tables: Mapping[str, Table]) -> Image.Image:
    """Of the tables `repairs`, `oracles` and `joints`."""
    gains = [(key, row) for key in _GAINS for row in tables[key].rows[1:]]
    joints = tables["joints"].rows
    panel = _NAMES + _WIDTH + 2 * _MARGIN
    height = _HEAD + max(len(gains) + 1, len(joints)) * _ROW + _MARGIN
    sheet = Image.new("RGB", (2 * panel * _SMOOTH, height * _SMOOTH), _GROUND)
    pen = _Pen(ImageDraw.Draw(sheet))
    _gains(pen, gains)
    _joints(pen, panel, joints)
    return sheet.resize((2 * panel, height), Image.Resampling.LANCZOS)


class _Pen:
    """Draws in pixels of the finished picture."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self.draw = draw

    def text(
        self, x: float, y: float, text: str, size: int = 13, fill: tuple[int, int, int] = _INK, anchor: str = "lm"
    ) -> None:
        font = ImageFont.load_default(size * _SMOOTH)
        self.draw.text((x * _SMOOTH, y * _SMOOTH), text, font=font, fill=fill, anchor=anchor)

    def bar(self, x: float, y: float, width: float, height: float, fill: tuple[int, int, int]) -> None:
        if width * _SMOOTH >= 1:
            left, top = x * _SMOOTH, y * _SMOOTH
            self.draw.rectangle((left, top, left + width * _SMOOTH - 1, top + height * _SMOOTH - 1), fill=fill)


def _gains(pen: _Pen, gains: list[tuple[str, tuple[Any, ...]]]) -> None:
    largest = max(0.05, *(row[2] for _, row in gains))
    left, y = _MARGIN + _NAMES, float(_HEAD)
    pen.text(_MARGIN, 24, "AP won", 20)
    pen.text(_MARGIN, 50, "without one kind of error", fill=_GAINS["repairs"])
    pen.text(_MARGIN + 170, 50, "with one part perfect", fill=_GAINS["oracles"])
    for place, (key, row) in enumerate(gains):
        if place and key != gains[place - 1][0]:
            y += _ROW
        pen.text(left - 8, y + _ROW / 2, row[0], anchor="rm")
        width = max(0.0, row[2]) / largest * (_WIDTH - 50)
        pen.bar(left, y + (_ROW - _BAR) / 2, width, _BAR, _GAINS[key])
        pen.text(left + width + 6, y + _ROW / 2, f"{row[2]:+.3f}", fill=_SOFT)
        y += _ROW


def _joints(pen: _Pen, start: float, rows: Sequence[tuple[Any, ...]]) -> None:
    left = start + _NAMES
    pen.text(start, 24, "Joints of people who were found", 20)
    x = start
    for kind in (Kind.GOOD, *ERRORS):
        pen.bar(x, 44, 12, 12, _KINDS[kind])
        pen.text(x + 17, 50, kind.name.lower(), fill=_SOFT)
        x += 88
    for place, row in enumerate(rows):
        y, x = _HEAD + place * _ROW, left
        pen.text(left - 8, y + _ROW / 2, row[0].replace("_", " "), anchor="rm")
        pen.bar(left, y + (_ROW - _BAR) / 2, _WIDTH, _BAR, _GRID)
        for kind, share in zip((Kind.GOOD, *ERRORS), row[4:], strict=True):
            pen.bar(x, y + (_ROW - _BAR) / 2, (share or 0) * _WIDTH, _BAR, _KINDS[kind])
            x += (share or 0) * _WIDTH
