"""The table that a training prints: a row per epoch."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Mapping

_AP = {"ap": "AP", "ap50": "AP50", "ap75": "AP75", "ap_m": "APM", "ap_l": "APL", "ar": "AR"}  # metric -> its column
_WIDTHS = {"step": 7, "loss": 7}  # characters, where not those of the name or 5


def epoch_cells(
    epoch: int, step: int, rate: float, losses: Mapping[str, float], metrics: Mapping[str, float] | None
) -> dict[str, str]:
    """The texts of a row by the names of their columns.

    Args:
        epoch, step: that have just ended.
        rate: images per second.
        losses: by name; `total` is their weighted sum.
        metrics: of this epoch, empty where AP was not measured; None leaves their columns out.
    """
    cells = {"epoch": f"{epoch}", "step": f"{step}", "images/s": f"{rate:.1f}"}
    if metrics is not None:
        cells |= {name: f"{metrics[key]:.3f}" if key in metrics else "-" for key, name in _AP.items()}
    cells |= {"loss": f"{losses['total']:.3f}"} if "total" in losses else {}
    return cells | {name: f"{value:.3f}" for name, value in losses.items() if name != "total"}


def row(cells: Mapping[str, str]) -> str:
    """Texts right-aligned below the names of their columns, as many as a terminal is wide; the logs have the rest."""
    most = shutil.get_terminal_size().columns if sys.stdout.isatty() else math.inf
    line = ""
    for name, text in cells.items():
        cell = f"{text:>{_WIDTHS.get(name, max(5, len(name)))}}"
        if len(line) + 2 + len(cell) > most:
            break
        line += f"  {cell}" if line else cell
    return line
