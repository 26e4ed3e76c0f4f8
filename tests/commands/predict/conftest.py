"""Runs of `votepose predict` in a folder of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.predict_runs import Tall
from votepose.commands import model_options


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tall(monkeypatch: pytest.MonkeyPatch) -> None:
    """`Tall` in place of the fake model."""
    monkeypatch.setattr(model_options, "load", lambda *_, **__: Tall())
