"""The data of small trainings, and the preset that they train."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import tiny
from votepose.models import presets


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_data(tmp_path_factory.mktemp("data") / "drawn")


@pytest.fixture(autouse=True)
def _tiny_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(presets._PRESETS, "movenet", tiny.PRESET)
    tiny.train_on_few_poses(monkeypatch)
