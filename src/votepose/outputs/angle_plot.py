"""Plots joint angles over time."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from votepose.outputs.joint_angles import base_name
from votepose.visualization.draw import PALETTE

Series = Mapping[int, Mapping[str, "array[float]"]]  # track id -> angle -> seconds, degrees, seconds, degrees, …

_MOST = len(PALETTE)  # maximum number of people in a plot, one colour each
_DARKER = 0.85  # the palette's colours are too light on white
_GAP = 2.5  # gap in the line, in units of the usual time between frames


def angle_plot(series: Series, angles: Sequence[str]) -> Image.Image:
    """One panel per angle, with solid lines for the left side and dashed ones for the right, in the drawing's colours.

    Args:
        series: angles of each person, by track id (0 if people are not tracked, shown as points). Of more than `_MOST`
            people, those with the most known angles are shown.
        angles: names of the angles, as in `series`.
    """
    from votepose.visualization.figures import lighten, new_figure, to_picture  # matplotlib is an extra

    known = {track: sum(int(np.isfinite(each[1::2]).sum()) for each in of.values()) for track, of in series.items()}
    known = {track: count for track, count in known.items() if count}
    shown = sorted(sorted(known, key=lambda track: -known[track])[:_MOST])
    panels = list(dict.fromkeys(map(base_name, angles)))
    figure = new_figure(10, 0.8 + 2.4 * len(panels))
    for axes, panel in zip(figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0], panels, strict=True):
        for track in shown:
            for number, angle in enumerate(one for one in angles if base_name(one) == panel):
                label = "" if number else f"person {track}" if track else "everyone"
                _line(axes, track, series[track][angle], label, dashed=angle.startswith("right_"))
        axes.set_ylabel(f"{panel} (°)")
        axes.set_ylim(0, 185)
        axes.set_yticks(range(0, 181, 45))
        axes.grid(axis="y", color="#E0E0E0")
        lighten(axes)
    axes.set_xlabel("seconds")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    more = f", {len(known) - len(shown)} more not shown" if len(known) > len(shown) else ""
    title = f"people{more}; solid: left, dashed: right" if any(base_name(one) != one for one in angles) else None
    figure.legend(handles, labels, loc="outside upper left", ncols=_MOST, frameon=False, title=title, alignment="left")
    return to_picture(figure)


def _line(axes: Any, track: int, points: array[float], label: str, dashed: bool) -> None:
    """Draw one angle of one person, with gaps where it is unknown."""
    times, sizes = np.array(points).reshape(-1, 2).T
    colour = tuple(_DARKER * PALETTE[(track - 1) % len(PALETTE)] / 255)
    if not track:
        axes.plot(times, sizes, ".", color=colour, label=label)
        return
    steps = np.diff(times)
    absent = np.flatnonzero(steps > _GAP * np.median(steps)) + 1 if len(steps) else np.zeros(0, int)
    times, sizes = np.insert(times, absent, times[absent]), np.insert(sizes, absent, np.nan)
    axes.plot(times, sizes, "--" if dashed else "-", marker=".", markersize=2.5, color=colour, label=label)
