"""A server with the fake model, and images to send it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra [serve]")

from fastapi.testclient import TestClient

import votepose
from helpers.fake_model import red_dot
from helpers.live import encode
from votepose.predictor import Predictor
from votepose.server.app import create_app
from votepose.server.limits import Limits


@pytest.fixture(scope="session")
def predictor(fake_model: Path) -> Predictor:
    """Finds a red dot's two fake people."""
    return votepose.load(fake_model, threads=1)


@pytest.fixture
def client(predictor: Predictor) -> Iterator[TestClient]:
    """A server with small limits: 64 kB, 0.1 megapixels. An exception inside it is raised in the test."""
    with TestClient(create_app(predictor, Limits(max_bytes=65536, max_pixels=100_000, max_input_size=256))) as client:
        yield client


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A PNG of 192 x 96 with a red dot at (80, 40)."""
    return encode(red_dot(192, 96, 80, 40, 16))


@pytest.fixture
def encoded() -> Callable[..., bytes]:
    """`encode`, for tests to call."""
    return encode
