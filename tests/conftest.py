"""Fixtures shared by all tests: see `helpers.fake_model`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers.fake_model import Predict, red_dot, save_fake_model, some_poses
from votepose.commands import main as cli
from votepose.poses import Poses

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # some tests import onnxruntime themselves
for stop, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(stop) is signal.SIG_IGN:  # in a shell's background job, and under nohup
        signal.signal(stop, usual)


@pytest.fixture(autouse=True, scope="module")
def _denormals(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep denormals where hypothesis draws floats, which it refuses to do while `helpers.tiny` has them flushed."""
    torch = sys.modules["torch"] if "helpers.tiny" in sys.modules and hasattr(request.module, "given") else None
    if torch is not None:
        torch.set_flush_denormal(False)
    yield
    if torch is not None:
        torch.set_flush_denormal(True)


@pytest.fixture(scope="session")
def fake_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX file that `votepose.load` takes."""
    path = tmp_path_factory.mktemp("weights") / "fake.onnx"
    save_fake_model(path)
    return path


@pytest.fixture
def predict(capsys: pytest.CaptureFixture[str], fake_model: Path) -> Predict:
    """`votepose predict` with the fake model: exit status, stdout and stderr."""

    def call(*argv: str | Path) -> tuple[int, str, str]:
        status = cli.main(["predict", *map(str, argv), "--weights", str(fake_model)])
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def dot() -> Callable[..., np.ndarray]:
    """`red_dot`, for tests to call."""
    return red_dot


@pytest.fixture
def poses() -> Poses:
    """Three people in an image of 640 x 480, best first, with seen and inferred joints."""
    return some_poses(3)
