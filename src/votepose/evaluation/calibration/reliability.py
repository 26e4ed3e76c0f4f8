"""How far confidences are from what they promise: reliability bins, expected calibration error, and their plot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_BINS = 10
_SIDE, _MARGIN, _HEAD = 420, 64, 64  # pixels of the plot's panels
_SMOOTH = 2  # lines are drawn this many times larger, then scaled down
_GROUND, _INK, _SOFT, _GRID = (250, 249, 246), (29, 32, 37), (107, 112, 120), (225, 222, 214)
_COLOURS = ((190, 90, 40), (11, 110, 95))


@dataclass(frozen=True)
class Reliability:
    """N predictions in bins of equally many, from the lowest to the highest; equal predictions share a bin.

    Attributes:
        said, true: (bins,) mean prediction and mean truth, in [0, 1].
        counts: (bins,) predictions in each.
    """

    said: np.ndarray
    true: np.ndarray
    counts: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: the mean over predictions of |said - true| of their bin (Naeini et al., AAAI
        2015; bins of equal mass). NaN of no predictions."""
        return float(np.average(abs(self.said - self.true), weights=self.counts)) if len(self.counts) else float("nan")

    @property
    def means(self) -> tuple[float, float]:
        """Mean prediction and mean truth of all."""
        if not len(self.counts):
            return float("nan"), float("nan")
        return tuple(float(np.average(x, weights=self.counts)) for x in (self.said, self.true))  # type: ignore[return-value]


def reliability(said: np.ndarray, true: np.ndarray, bins: int = _BINS) -> Reliability:
    """Of predictions (N,) and the truth (N,), each in [0, 1], in any order."""
    starts = np.unique([part[0] for part in np.array_split(np.sort(said), bins) if len(part)])
    places = np.searchsorted(starts, said, side="right") - 1
    parts = [np.flatnonzero(places == place) for place in range(len(starts))]
    return Reliability(
        np.array([said[part].mean() for part in parts]),
        np.array([true[part].mean() for part in parts]),
        np.array([len(part) for part in parts]),
    )


@dataclass(frozen=True)
class Sight:
    """How well `seen` tells visible joints from hidden ones; each in [0, 1], NaN where there are not both kinds.

    Attributes:
        accuracy: share that is told rightly.
        balanced: mean of the visible's and the hidden's own shares.
        auc: chance that a visible joint's logit is over a hidden one's.
    """

    accuracy: float
    balanced: float
    auc: float


def sight(seen: np.ndarray, logits: np.ndarray, visible: np.ndarray) -> Sight:
    """Of decisions (N,) bool and logits (N,) against the truth (N,) bool."""
    if visible.all() or not visible.any():
        return Sight(float("nan"), float("nan"), float("nan"))
    right = seen == visible
    balanced = (right[visible].mean() + right[~visible].mean()) / 2
    hidden = np.sort(logits[~visible])
    below, upto = (np.searchsorted(hidden, logits[visible], side).mean() for side in ("left", "right"))
    return Sight(float(right.mean()), float(balanced), float((below + upto) / 2 / len(hidden)))


def plot(panels: Mapping[str, Mapping[str, Reliability]]) -> Image.Image:
    """A panel a title, side by side; in each, one line a name: the truth over what was said, a dot a bin."""
    width, height = len(panels) * (_SIDE + _MARGIN) + _MARGIN, _SIDE + _HEAD + _MARGIN
    sheet = Image.new("RGB", (width * _SMOOTH, height * _SMOOTH), _GROUND)
    for place, (title, lines) in enumerate(panels.items()):
        _panel(ImageDraw.Draw(sheet), _MARGIN + place * (_SIDE + _MARGIN), title, lines)
    return sheet.resize((width, height), Image.Resampling.LANCZOS)


def _panel(pen: ImageDraw.ImageDraw, left: int, title: str, lines: Mapping[str, Reliability]) -> None:
    def at(x: float, y: float) -> tuple[float, float]:
        return (left + x * _SIDE) * _SMOOTH, (_HEAD + (1 - y) * _SIDE) * _SMOOTH

    large, small = (ImageFont.load_default(size * _SMOOTH) for size in (20, 13))
    pen.text((left * _SMOOTH, 10 * _SMOOTH), title, font=large, fill=_INK)
    for tick in (0, 0.2, 0.4, 0.6, 0.8, 1):
        pen.line([at(tick, 0), at(tick, 1)], fill=_GRID, width=_SMOOTH)
        pen.line([at(0, tick), at(1, tick)], fill=_GRID, width=_SMOOTH)
        pen.text(at(tick, -0.02), f"{tick:g}", font=small, fill=_SOFT, anchor="mt")
        pen.text(at(-0.015, tick), f"{tick:g}", font=small, fill=_SOFT, anchor="rm")
    pen.text(at(0.5, -0.08), "what was said", font=small, fill=_SOFT, anchor="mt")
    pen.text(at(0.02, 0.98), "what was true", font=small, fill=_SOFT, anchor="lt")
    pen.line([at(0, 0), at(1, 1)], fill=_SOFT, width=_SMOOTH)
    for row, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[row % len(_COLOURS)]
        points = [at(x, y) for x, y in zip(line.said.tolist(), line.true.tolist(), strict=True)]
        pen.line(points, fill=colour, width=2 * _SMOOTH, joint="curve")
        for x, y in points:
            pen.ellipse([x - 4 * _SMOOTH, y - 4 * _SMOOTH, x + 4 * _SMOOTH, y + 4 * _SMOOTH], fill=colour)
        text = f"{name}: ECE {line.error:.3f}"
        pen.text(at(0.98, 0.12 - 0.05 * row), text, font=small, fill=colour, anchor="rb")
