"""Reliability diagrams: a panel for each title, each line in its own colour, and no state left in pyplot."""

from __future__ import annotations

import sys

import numpy as np

from votepose.evaluation.calibration.chart import draw_reliability
from votepose.evaluation.calibration.reliability import reliability
from votepose.visualization.figures import BLUE, VERMILION


def test_each_title_has_a_panel_and_each_name_a_line() -> None:
    some = reliability(np.linspace(0, 1, 50), np.linspace(0, 1, 50) ** 2)
    none = reliability(np.zeros(0), np.zeros(0))
    one = draw_reliability({"joints": {"current": some, "calibrated": some}})
    two = draw_reliability({"joints": {"current": some}, "people": {"current": none}})
    assert two.size[0] > 1.8 * one.size[0]
    colours = {colour for _, colour in one.getcolors(one.size[0] * one.size[1])}
    assert {tuple(round(255 * c) for c in line) for line in (VERMILION, BLUE)} <= colours
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
