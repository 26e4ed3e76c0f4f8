"""The table that a training prints, with one row per epoch."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Mapping

_AP = {"ap": "AP", "ap50": "AP50", "ap75": "AP75", "ap_m": "APM", "ap_l": "APL", "ar": "AR"}  # metric -> its column
_WIDTHS = {"step": 7, "loss": 7}  # in characters, if not max(5, length of the name)


def epoch_cells(
    epoch: int, step: int, rate: float, unit: str, losses: Mapping[str, float], metrics: Mapping[str, float] | None
) -> dict[str, str]:
    """The cells of a row, by column name.

    Args:
        epoch, step: the epoch and the step that have just ended.
        rate: images or people per second. unit: which of them.
        losses: losses by name; `total` is their weighted sum.
        metrics: metrics of this epoch, empty if AP was not measured; None omits their columns. NaN is undefined.
    """
    cells = {"epoch": f"{epoch}", "step": f"{step}", f"{unit}/s": f"{rate:.1f}"}
    if metrics is not None:
        measured = {name: metrics.get(key, math.nan) for key, name in _AP.items()}
        cells |= {name: "-" if math.isnan(value) else f"{value:.3f}" for name, value in measured.items()}
    cells |= {"loss": f"{losses['total']:.3f}"} if "total" in losses else {}
    return cells | {name: f"{value:.3f}" for name, value in losses.items() if name != "total"}


def row(cells: Mapping[str, str]) -> str:
    """A line of right-aligned cells, cut to the width of the terminal; the logs hold all of them."""
    most = shutil.get_terminal_size().columns if sys.stdout.isatty() else math.inf
    line = ""
    for name, text in cells.items():
        cell = f"{text:>{_WIDTHS.get(name, max(5, len(name)))}}"
        if len(line) + 2 + len(cell) > most:
            break
        line += f"  {cell}" if line else cell
    return line
