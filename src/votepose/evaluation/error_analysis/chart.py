"""The chart of the analysis: the gain from each correction, and the errors of each joint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from PIL import Image

from votepose.evaluation.error_analysis.joints import JointErrorType
from votepose.evaluation.error_analysis.report import Table
from votepose.visualization.figures import (
    BLUE,
    GREEN,
    GRID,
    ORANGE,
    PURPLE,
    SKY,
    SOFT,
    VERMILION,
    lighten,
    new_figure,
    to_picture,
)

_GAINS = {"repairs": ("without one type of error", VERMILION), "oracles": ("with one perfect part", BLUE)}
_COLOURS = {
    JointErrorType.GOOD: GREEN,
    JointErrorType.JITTER: SKY,
    JointErrorType.INVERSION: ORANGE,
    JointErrorType.SWAP: PURPLE,
    JointErrorType.MISS: VERMILION,
}
_ROW = 0.27  # inches


def draw_chart(tables: Mapping[str, Table]) -> Image.Image:
    """The chart of the tables `repairs`, `oracles` and `joints`."""
    joints = tables["joints"].rows
    gains = {key: tables[key].rows[1:] for key in _GAINS}
    rows = max(sum(map(len, gains.values())) + 1, len(joints))
    figure = new_figure(12, _ROW * rows + 1.7)
    left, right = figure.subplots(1, 2)
    _draw_gains(left, gains)
    _draw_joints(right, joints)
    return to_picture(figure)


def _draw_gains(axes: Axes, gains: Mapping[str, Sequence[tuple[Any, ...]]]) -> None:
    """One bar per row (name, AP, gain, ...), with a gap between the tables."""
    names, places, start = [], [], 0
    for key, rows in gains.items():
        label, colour = _GAINS[key]
        where = list(range(start, start + len(rows)))
        axes.barh(where, [row[2] for row in rows], 0.7, color=colour, label=label)
        for place, (_, _, gain, *_) in zip(where, rows, strict=True):  # on the right of negative bars too
            end = (max(gain, 0), place)
            axes.annotate(f"{gain:+.3f}", end, (4, 0), textcoords="offset points", va="center", color=SOFT)
        names += [row[0] for row in rows]
        places += where
        start += len(rows) + 1
    values = [row[2] for rows in gains.values() for row in rows]
    axes.set_xlim(min(0.0, *values) * 1.3, max(0.05, *values) * 1.18)
    _finish(axes, "Gain in AP", "gain in AP (0 to 1)", places, names, columns=2)


def _draw_joints(axes: Axes, rows: Sequence[tuple[Any, ...]]) -> None:
    """One stacked bar per row (name, number, similarity, within kappa, shares in the order of `_COLOURS`)."""
    places, names = list(range(len(rows))), [row[0].replace("_", " ") for row in rows]
    left = [0.0] * len(rows)
    for column, (kind, colour) in enumerate(_COLOURS.items(), start=4):
        shares = [100 * (row[column] or 0.0) for row in rows]
        axes.barh(places, shares, 0.7, left, color=colour, label=kind.name.lower(), edgecolor="white", linewidth=0.5)
        left = [start + share for start, share in zip(left, shares, strict=True)]
    axes.set_xlim(0, 100)
    _finish(axes, "Joints of people who were found", "share of labelled joints (%)", places, names, len(_COLOURS))


def _finish(axes: Axes, title: str, unit: str, places: list[int], names: list[str], columns: int) -> None:
    axes.set_yticks(places, names)
    axes.set_ylim(max(places) + 0.6, min(places) - 0.6)  # the first row on top
    axes.set_xlabel(unit)
    axes.set_title(title, loc="left", pad=30, fontsize=13, fontweight="bold")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1), ncols=columns, frameon=False, handlelength=1.0)
    axes.grid(axis="x", color=GRID)
    lighten(axes)
