"""A server with the fake model, images to send it, and a browser for its page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("fastapi", reason="needs the extra [serve]")

from fastapi.testclient import TestClient

import votepose
from helpers.fake_model import red_dot
from helpers.live import encode, serving
from votepose.predictor import Predictor
from votepose.server.app import create_app
from votepose.server.limits import Limits

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from helpers.page import Shown


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium with a fake webcam."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the page is tested in a browser")
    from helpers.page import CHROMIUM, FLAGS

    if CHROMIUM is None:
        pytest.skip("the page is tested in Chromium, which is not installed: apt-get install chromium")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """A server with the models of the package, at small input sizes; `fast` is loaded on demand."""
    accurate = votepose.load(input_size=256, threads=1)
    others = {"accurate": accurate, "fast": lambda: votepose.load("fast", input_size=192, threads=1)}
    with serving(create_app(accurate, Limits(max_bytes=2**20, max_input_size=512), others=others)) as url:
        yield url


@pytest.fixture(scope="session")
def dots_url(predictor: Predictor) -> Iterator[str]:
    """A server that finds red dots, with two models: `fast` has a lower presence threshold."""
    others = {"accurate": predictor, "fast": replace(predictor, presence_threshold=0.25)}
    with serving(create_app(predictor, Limits(max_pixels=1_000_000, max_input_size=256), others=others)) as url:
        yield url


@pytest.fixture
def empty_tab(browser: Browser) -> Iterator[Shown]:
    """A tab without a page."""
    from helpers.page import tab

    with tab(browser) as shown:
        yield shown


@pytest.fixture
def shown(empty_tab: Shown, url: str) -> Shown:
    """The page of a server with the models of the package."""
    return empty_tab.start(url)


@pytest.fixture
def dots(empty_tab: Shown, dots_url: str) -> Shown:
    """The page of a server that finds red dots, which takes no time."""
    return empty_tab.start(dots_url)
