"""Shared by the charts: colours, light axes, and conversion of a matplotlib figure to an image."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from votepose.visualization.draw import PALETTE

ORANGE, SKY, _, VERMILION, GREEN, PURPLE, BLUE = (tuple(colour) for colour in (PALETTE / 255).tolist())
SOFT, GRID = "#5F6368", "#E0E0E0"


def new_figure(width: float, height: float) -> Figure:
    """A figure of this size in inches with an automatic layout, not registered with pyplot."""
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    return Figure(figsize=(width, height), dpi=110, layout=layout)


def lighten(axes: Axes) -> None:
    """Remove the frame and the ticks, and soften the labels."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, pad=6, labelcolor=SOFT)
    axes.xaxis.label.set_color(SOFT)
    axes.yaxis.label.set_color(SOFT)
    axes.set_axisbelow(True)


def to_picture(figure: Figure) -> Image.Image:
    """Render the figure as an RGB image, without a display."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
