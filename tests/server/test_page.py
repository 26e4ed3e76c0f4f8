"""The page, in a real browser: headless Chromium with a fake webcam, and the bundled model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

import votepose
from helpers.live import serving
from votepose.server.app import create_app
from votepose.server.limits import Limits

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="the page is tested in Chromium, which is not installed: apt-get install chromium"
)

EXAMPLES = Path(__file__).parents[2] / "examples"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
NONE_YET = "\u2013"


@dataclass
class Shown:
    """A page, and what it did."""

    page: Page
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # URLs of /v1/poses

    def open(self, name: str) -> None:
        self.page.set_input_files("#file", EXAMPLES / name)

    @property
    def people(self) -> int:
        expect(self.page.locator("#people")).not_to_have_text(NONE_YET, timeout=20_000)
        return int(self.page.inner_text("#people"))

    @property
    def painted(self) -> str:
        """What is on the canvas."""
        return self.page.locator("#canvas").evaluate("canvas => canvas.toDataURL()")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    model = votepose.load(input_size=256, threads=1)
    with serving(create_app(model, Limits(max_bytes=2**20, max_input_size=512))) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def empty_tab(browser: Browser, url: str) -> Iterator[Shown]:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    shown = Shown(page)
    page.on("console", lambda line: shown.errors.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: shown.errors.append(str(error)))
    page.on("requestfailed", lambda request: shown.errors.append(f"{request.url} {request.failure}"))
    page.on("request", lambda request: shown.asked.append(request.url) if "/v1/poses" in request.url else None)
    page.on(
        "request",
        lambda request: None if request.url.startswith((url, "blob:", "data:")) else shown.errors.append(request.url),
    )
    yield shown
    page.close()


@pytest.fixture
def shown(empty_tab: Shown, url: str) -> Shown:
    empty_tab.page.goto(url)
    expect(empty_tab.page.locator("#size option")).not_to_have_count(0)
    return empty_tab


def test_picture_people_and_sliders(shown: Shown) -> None:
    shown.open("stairs.jpg")
    assert shown.people >= 3
    page, with_people, everybody = shown.page, shown.painted, shown.people
    assert int(page.inner_text("#milliseconds")) > 0
    expect(page.locator("#status")).to_have_text(f"{everybody} people found")
    expect(page.locator("#list button")).to_have_count(everybody)

    page.focus("#score")
    page.keyboard.press("End")
    expect(page.locator("#people")).to_have_text("0")
    without_people = shown.painted
    assert without_people != with_people
    for _ in range(65):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#score-value")).to_have_text("0.35")
    assert (shown.people, shown.painted) == (everybody, with_people)
    assert len(shown.asked) == 1  # the score's slider sends no request

    page.uncheck("#inferred")
    assert shown.painted not in (with_people, without_people)

    page.focus("#presence")
    with page.expect_response(lambda answer: "presence_threshold=0.4" in answer.url):
        for _ in range(5):
            page.keyboard.press("ArrowRight")
    assert len(shown.asked) == 2  # the presence's one asks once it rests
    with page.expect_response(lambda answer: "input_size=384" in answer.url and answer.ok):
        page.select_option("#size", "384")
    assert shown.errors == []


def test_one_person_alone_by_keyboard(shown: Shown) -> None:
    shown.open("stairs.jpg")
    assert shown.people
    before, first = shown.painted, shown.page.locator("#list button").first
    first.focus()
    shown.page.keyboard.press("Enter")
    expect(first).to_have_attribute("aria-pressed", "true")
    expect(first).to_be_focused()
    assert shown.painted != before
    shown.page.keyboard.press("Enter")
    assert shown.painted == before


def test_downloads(shown: Shown, tmp_path: Path) -> None:
    expect(shown.page.locator("#json")).to_be_disabled()
    shown.open("walk.jpg")
    people = shown.people
    with shown.page.expect_download() as download:
        shown.page.click("#json")
    assert download.value.suggested_filename == "walk.json"
    record = json.loads(Path(download.value.path()).read_text())
    assert (record["image"], record["width"], record["height"], len(record["people"])) == (
        "walk.jpg",
        1024,
        576,
        people,
    )
    with shown.page.expect_download() as download:
        shown.page.click("#picture")
    assert download.value.suggested_filename == "walk-poses.jpg"
    assert Path(download.value.path()).read_bytes().startswith(b"\xff\xd8")


def test_webcam(shown: Shown) -> None:
    page = shown.page
    page.click("#webcam")
    expect(page.locator("#webcam")).to_have_text("Stop webcam")
    expect(page.locator("#rate")).not_to_have_text(NONE_YET, timeout=20_000)
    shown.page.wait_for_timeout(500)
    first, asked = shown.painted, len(shown.asked)
    shown.page.wait_for_timeout(1000)
    assert len(shown.asked) > asked
    assert shown.painted != first  # the fake webcam's clock moves
    page.click("#webcam")
    expect(page.locator("#webcam")).to_have_text("Start webcam")
    shown.page.wait_for_timeout(500)
    asked = len(shown.asked)
    shown.page.wait_for_timeout(500)
    assert len(shown.asked) == asked
    shown.open("astronaut.jpg")
    expect(page.locator("#canvas")).not_to_have_class("mirrored")
    assert shown.errors == []


def test_mistakes_are_one_clear_line(shown: Shown) -> None:
    page = shown.page
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"hello"})
    expect(page.locator("#error")).to_contain_text("not an image of a known format")
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": bytes(2**20 + 1)})
    expect(page.locator("#error")).to_have_text("The image has 1.0 MiB; the server takes 1.0 MiB at most.")
    page.route("**/v1/poses*", lambda route: route.abort())
    shown.open("walk.jpg")
    expect(page.locator("#error")).to_contain_text("cannot be reached")
    page.unroute("**/v1/poses*")
    shown.open("walk.jpg")
    expect(page.locator("#error")).to_be_hidden()
    assert shown.people >= 1


def test_dropped_picture(shown: Shown) -> None:
    bait = shown.page.evaluate_handle("""async () => {
        const canvas = new OffscreenCanvas(64, 64);
        canvas.getContext("2d").fillRect(0, 0, 9, 9);
        const data = new DataTransfer();
        data.items.add(new File([await canvas.convertToBlob()], "dropped.png", { type: "image/png" }));
        return data;
    }""")
    shown.page.dispatch_event("#stage", "drop", {"dataTransfer": bait})
    assert shown.people == 0
    assert shown.errors == []


def test_controls_have_names_and_phones_need_not_scroll_sideways(shown: Shown) -> None:
    page = shown.page
    for role, name in [("slider", "Score"), ("slider", "Presence"), ("combobox", "Detail"), ("button", "Start webcam")]:
        expect(page.get_by_role(role, name=name)).to_have_count(1)
    page.set_viewport_size({"width": 360, "height": 740})
    shown.open("friends.jpg")
    assert shown.people
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_docs_page(empty_tab: Shown, url: str) -> None:
    # A tab of its own: leaving a page cancels what it was still loading, which the browser reports as failed requests.
    empty_tab.page.goto(f"{url}/docs")
    empty_tab.page.get_by_text("/v1/poses").click()
    expect(empty_tab.page.locator("text=presence_threshold").first).to_be_visible()
    assert empty_tab.errors == []
