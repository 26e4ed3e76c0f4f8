"""The page, in a real browser: pictures, what is saved, and mistakes; with the bundled model."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="the page is tested in a browser")

from playwright.sync_api import Browser, Route, expect

from helpers.fake_model import red_dot
from helpers.live import encode, serving
from helpers.page import NONE_YET, Shown, tab
from votepose.predictor import Predictor
from votepose.server.app import create_app


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


def test_downloads(shown: Shown) -> None:
    expect(shown.page.locator("#json")).to_be_disabled()
    shown.open("walk.jpg")
    people = shown.people
    name, record = shown.saved()
    assert name == "walk.json"
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


def test_a_picture_that_the_browser_cannot_show_is_drawn_on_grey(dots: Shown) -> None:
    dots.open_bytes("dot.tiff", "image/tiff", encode(red_dot(192, 96, 80, 40, 16), "tiff"))
    assert dots.people == 2
    dots.expect_text("#notice", "This browser cannot show the image, so its people are drawn on grey.")
    assert dots.saved()[1]["width"] == 192
    dots.open_bytes("dot.png", "image/png", encode(red_dot(192, 96, 80, 40, 16)))
    expect(dots.page.locator("#notice")).to_be_hidden()


def test_a_picture_over_the_limits_is_sent_smaller(dots: Shown) -> None:
    dots.open_bytes("large.png", "image/png", encode(red_dot(2400, 600, 1000, 100, 200)))
    assert dots.people == 2  # the server takes 1 megapixel
    dots.expect_text("#notice", "The image is over the limits of the server, so a smaller copy was sent.")
    record = dots.saved()[1]
    assert (record["width"], record["height"]) == (2400, 600)
    nose = record["people"][0]["keypoints"]["nose"]
    assert 975 < nose["x"] < 1225  # in the pixels of the file
    assert dots.errors == []


def test_what_only_the_browser_reads_is_sent_as_a_jpeg(dots: Shown) -> None:
    dots.open_bytes("dot.ico", "image/x-icon", encode(red_dot(64, 64, 24, 24, 16), "ico"))
    assert dots.people == 2
    assert dots.saved()[1]["width"] == 64


def test_a_server_that_is_gone_can_be_tried_again(empty_tab: Shown, dots_url: str) -> None:
    page = empty_tab.page
    page.route("**/v1/model", lambda route: route.abort())
    page.goto(dots_url)
    expect(page.locator("#error")).to_contain_text("cannot be reached")
    expect(page.locator("#file")).to_be_disabled()
    page.unroute("**/v1/model")
    page.click("#retry")
    expect(page.locator("#file")).to_be_enabled()
    expect(page.locator("#error")).to_be_hidden()

    page.route("**/v1/poses*", lambda route: route.abort())
    empty_tab.open_bytes("dot.png", "image/png", encode(red_dot(192, 96, 80, 40, 16)))
    expect(page.locator("#error")).to_contain_text("cannot be reached")
    page.unroute("**/v1/poses*")
    page.click("#retry")
    assert empty_tab.people == 2
    expect(page.locator("#error")).to_be_hidden()


def test_waiting_is_shown(dots: Shown) -> None:
    held: list[Route] = []
    dots.page.route("**/v1/poses*", lambda route: held.append(route))
    dots.open_bytes("dot.png", "image/png", encode(red_dot(192, 96, 80, 40, 16)))
    expect(dots.page.locator("#busy")).to_be_visible()
    expect(dots.page.locator("#stage")).to_have_attribute("aria-busy", "true")
    expect(dots.page.locator("#people")).to_have_text(NONE_YET)
    held[0].continue_()
    expect(dots.page.locator("#busy")).to_be_hidden()
    assert dots.people == 2


def test_a_server_of_one_model_has_no_switch(browser: Browser, predictor: Predictor) -> None:
    with serving(create_app(predictor)) as url, tab(browser) as shown:
        shown.start(url)
        expect(shown.page.locator("#models")).to_be_hidden()
        shown.open_bytes("dot.png", "image/png", encode(red_dot(192, 96, 80, 40, 16)))
        assert shown.people == 2
        assert "model=" not in shown.asked[0]
        assert shown.errors == []


def test_phones_need_not_scroll_sideways(shown: Shown) -> None:
    shown.page.set_viewport_size({"width": 360, "height": 740})
    shown.open("friends.jpg")
    assert shown.people
    assert shown.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_docs_page(empty_tab: Shown, url: str) -> None:
    # A tab of its own: leaving a page cancels what it was still loading, which the browser reports as failed requests.
    empty_tab.page.goto(f"{url}/docs")
    empty_tab.page.get_by_text("/v1/poses").click()
    expect(empty_tab.page.locator("text=presence_threshold").first).to_be_visible()
    assert empty_tab.errors == []


def test_a_server_with_api_keys_asks_for_one(browser: Browser, predictor: Predictor) -> None:
    with serving(create_app(predictor, keys=("correct-horse",))) as url, tab(browser) as shown:
        page = shown.page
        page.goto(url)
        page.get_by_label("This server needs an API key").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#error")).to_have_text("This API key is not valid.")
        page.get_by_label("This server needs an API key").fill("correct-horse")
        page.get_by_role("button", name="Use this key").click()
        expect(page.locator("#file")).to_be_enabled()
        expect(page.locator("#key-form")).to_be_hidden()
        expect(page.locator("#error")).to_be_hidden()
        shown.open_bytes("dot.png", "image/png", encode(red_dot(192, 96, 80, 40, 16)))
        assert shown.people == 2
        page.reload()
        expect(page.locator("#file")).to_be_enabled()  # the tab keeps the key
