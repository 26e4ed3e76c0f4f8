"""The table of a training: columns stay below their names, and a narrow terminal gets fewer of them."""

from __future__ import annotations

import os
import sys

import pytest

from votepose.training.table import epoch_cells, row

CELLS = {"epoch": "3", "step": "12000", "AP": "0.412", "loss": "3.141", "presence": "0.500"}


def test_columns_are_aligned() -> None:
    head, line = row({name: name for name in CELLS}), row(CELLS)
    assert head == "epoch     step     AP     loss  presence"
    assert line == "    3    12000  0.412    3.141     0.500"


@pytest.mark.parametrize(("columns", "shown"), [(39, 4), (40, 5)])
def test_a_terminal_gets_what_fits(monkeypatch: pytest.MonkeyPatch, columns: int, shown: int) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((columns, 24)))
    assert row(CELLS).split() == list(CELLS.values())[:shown]


def test_metrics_that_were_not_measured_are_dashes() -> None:
    cells = epoch_cells(3, 40, 2.0, "images", {"votes": 1.0, "total": 2.0}, {})
    assert list(cells.values()) == ["3", "40", "2.0", *["-"] * 6, "2.000", "1.000"]
    assert list(epoch_cells(3, 40, 2.0, "images", {"votes": 1.0, "total": 2.0}, None)) == [
        "epoch",
        "step",
        "images/s",
        "loss",
        "votes",
    ]
