"""Reliability diagrams."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from PIL import Image

from votepose.evaluation.calibration.reliability import Reliability
from votepose.visualization.figures import BLUE, GRID, SOFT, VERMILION, lighten, new_figure, to_picture

_STYLES = ((VERMILION, "o"), (BLUE, "s"))


def draw_reliability(panels: Mapping[str, Mapping[str, Reliability]]) -> Image.Image:
    """One reliability diagram per title, side by side, with a line per name and a marker per bin."""
    figure = new_figure(5.2 * len(panels), 5.4)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for panel, (title, lines) in zip(axes, panels.items(), strict=True):
        _draw_panel(panel, title, lines)
    return to_picture(figure)


def _draw_panel(axes: Axes, title: str, lines: Mapping[str, Reliability]) -> None:
    axes.plot((0, 1), (0, 1), color=SOFT, linestyle="--", linewidth=1, label="perfect")
    for (name, line), (colour, marker) in zip(lines.items(), _STYLES, strict=False):
        label = f"{name}: ECE {line.error:.3f}"
        axes.plot(line.predicted, line.observed, color=colour, marker=marker, label=label, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="mean predicted OKS", ylabel="mean observed OKS")
    axes.set_title(title.capitalize(), loc="left", pad=12, fontsize=13, fontweight="bold")
    axes.grid(color=GRID)
    axes.legend(loc="lower right", frameon=False)
    lighten(axes)
