"""Each test in a folder of its own; none without Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ray", reason='needs Ray: pip install ".[cluster]"')


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
