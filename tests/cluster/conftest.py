"""Each test in a folder of its own, and `votepose predict` as a call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from votepose import cli

pytest.importorskip("ray", reason='needs Ray: pip install "votepose[cluster]"')

Predict = Callable[..., tuple[int, str, str]]


@pytest.fixture
def predict(capsys: pytest.CaptureFixture[str], fake_model: Path) -> Predict:
    """`votepose predict` with the fake model: exit status, stdout and stderr."""

    def call(*argv: str | Path) -> tuple[int, str, str]:
        status = cli.main(["predict", *map(str, argv), "--weights", str(fake_model)])
        return status, *capsys.readouterr()

    return call


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
