"""A server with the fake model, and pictures to send it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="needs the extra [serve]")

from fastapi.testclient import TestClient

import votepose
from conftest import red_dot
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


def encode(pixels: np.ndarray, form: str = "png", **options: object) -> bytes:
    """An array as an image file's bytes; `options` go to Pillow."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format=form, **options)
    return file.getvalue()
