"""The chart of the analysis: a bar for every row, in proportion, with gains below zero, too."""

from __future__ import annotations

import numpy as np
import pytest

from votepose.evaluation.error_analysis.chart import draw_chart
from votepose.evaluation.error_analysis.report import Table
from votepose.visualization.figures import GREEN, ORANGE, VERMILION


def tables(gain: float, good: float | None) -> dict[str, Table]:
    """Two corrections and one oracle that gain as much; one joint, the rest of which is inverted."""
    gains = [("(unchanged)", 0.5, 0.0, 0.5, 0.5, 0.5), ("jitter", 0.5 + gain, gain, 0.5, 0.5, 0.5)]
    shares = [None] * 7 if good is None else [0.8, 0.8, good, 0.0, 1 - good, 0.0, 0.0]
    return {
        "repairs": Table("repairs", "", ("",) * 6, [*gains, gains[1]]),
        "oracles": Table("oracles", "", ("",) * 6, gains),
        "joints": Table("joints", "", ("",) * 9, [("left_ear", 0 if good is None else 9, *shares)]),
    }


def pixels(gain: float, good: float | None, colour: tuple[float, ...]) -> int:
    """How many pixels of this colour the chart has."""
    chart = np.asarray(draw_chart(tables(gain, good)))
    return int((np.abs(chart - 255 * np.array(colour)) < 1.5).all(axis=2).sum())


def test_bars_are_as_long_as_their_shares() -> None:
    assert pixels(0.2, 0.5, GREEN) == pytest.approx(pixels(0.2, 0.5, ORANGE), rel=0.1)
    assert pixels(0.2, 0.75, GREEN) == pytest.approx(3 * pixels(0.2, 0.75, ORANGE), rel=0.2)


@pytest.mark.parametrize("gain", [-0.1, 0.0, 0.3])
def test_gains_may_be_below_zero_and_joints_unknown(gain: float) -> None:
    legend = pixels(0.0, None, VERMILION)
    assert (pixels(gain, None, VERMILION) > 2 * legend) == (gain != 0)
