"""The page's webcam and videos: which model they use, the rate, and that what is shown never falls behind."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="the page is tested in a browser")

from playwright.sync_api import Browser, Route, expect

from helpers.clips import RATE, save_clip
from helpers.fake_model import red_dot
from helpers.live import until
from helpers.page import NONE_YET, PATIENCE, Shown, tab

SPEED = 5  # pixels that the dot moves in a second
SECONDS = 20


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A red dot that goes right; VP8, which every Chromium plays."""
    path = tmp_path_factory.mktemp("clip") / "dot.webm"
    lefts = [8 + round(SPEED * k / RATE) for k in range(SECONDS * RATE)]
    return save_clip(path, [red_dot(128, 96, left, 40, 16) for left in lefts], codec="libvpx")


def rate(shown: Shown) -> float:
    """The pictures per second on the screen, once there are."""
    expect(shown.page.locator("#rate")).not_to_have_text(NONE_YET)
    return float(shown.page.inner_text("#rate"))


def time_in_sync(shown: Shown) -> float:
    """The time of the frame on the screen; its people are where the dot is then."""
    name, record = shown.saved()
    found = re.fullmatch(r"dot-(.+)s\.json", name)
    assert found, name
    left = 8 + SPEED * float(found[1])
    assert left - 6 <= record["people"][0]["keypoints"]["nose"]["x"] <= left + 22  # the dot has 16 pixels
    assert (record["width"], record["height"]) == (128, 96)
    return float(found[1])


def eventually(true: Callable[[], bool]) -> None:
    """As `until`, for a busy machine."""
    until(true, PATIENCE / 1000)


def test_webcam_uses_the_fast_model_until_the_user_chooses(shown: Shown) -> None:
    page = shown.page
    page.click("#webcam")
    expect(page.locator("#webcam")).to_have_text("Stop webcam")
    assert rate(shown) > 0
    assert all("model=fast" in url for url in shown.asked)
    expect(page.get_by_role("radio", name="Fast")).to_be_checked()
    expect(page.locator("#model-note")).to_have_text("Fast, chosen for the webcam.")
    first = shown.painted
    eventually(lambda: shown.painted != first)  # the fake webcam's clock moves

    page.get_by_role("radio", name="Accurate").check()
    expect(page.locator("#model-note")).to_have_text("Your choice, for all that you open.")
    eventually(lambda: page.is_visible("#webcam") and "model=accurate" in shown.asked[-1])
    page.click("#webcam")
    expect(page.locator("#webcam")).to_have_text("Start webcam")
    expect(page.locator("#rate")).to_have_text(NONE_YET)

    page.get_by_role("radio", name="Fast").check()
    asked = len(shown.asked)
    shown.open("astronaut.jpg")
    expect(page.locator("#rate-box")).to_be_hidden()
    assert shown.people >= 1
    expect(page.locator("#canvas")).not_to_have_class("mirrored")
    assert ["model=fast" in url for url in shown.asked[asked:]] == [True]  # the webcam asks no more, the choice holds
    assert shown.errors == []


def test_photos_use_the_accurate_model(dots: Shown) -> None:
    expect(dots.page.locator("#model-note")).to_have_text("Videos and the webcam use the fast one.")
    dots.open("walk.jpg")
    expect(dots.page.get_by_role("radio", name="Accurate")).to_be_checked()
    expect(dots.page.locator("#model-note")).to_have_text("Accurate, chosen for photos.")
    assert dots.people >= 0
    with dots.page.expect_response(lambda answer: "model=fast" in answer.url and answer.ok):
        dots.page.get_by_role("radio", name="Fast").check()
    assert [re.findall("model=([a-z]+)", url) for url in dots.asked] == [["accurate"], ["fast"]]


def test_video_plays_with_its_people(dots: Shown, clip: Path) -> None:
    page = dots.page
    page.set_input_files("#file", clip)
    page.select_option("#speed", "0.25")  # the rest happens before its end
    assert dots.people == 2
    assert rate(dots) > 0
    expect(page.locator("#model-note")).to_have_text("Fast, chosen for videos.")
    assert all("model=fast" in url for url in dots.asked)
    expect(page.get_by_role("list", name="People").get_by_role("listitem")).to_have_count(0)
    now = time_in_sync(dots)
    eventually(lambda: time_in_sync(dots) > now)

    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    expect(page.locator("#list button")).to_have_count(2)
    expect(page.locator("#rate")).to_have_text(NONE_YET)
    page.focus("#seek")
    page.keyboard.press("End")
    eventually(lambda: time_in_sync(dots) > SECONDS - 0.3)
    page.focus("#seek")
    page.keyboard.press("Home")
    eventually(lambda: time_in_sync(dots) == 0)
    expect(page.locator("#seek")).to_have_attribute("aria-valuetext", "0:00 of 0:20")
    page.get_by_role("button", name="Play").click()
    eventually(lambda: time_in_sync(dots) > 0)
    page.focus("#seek")
    page.keyboard.press("End")
    expect(page.get_by_role("button", name="Play")).to_be_visible()  # it has ended
    eventually(lambda: time_in_sync(dots) > SECONDS - 0.3)
    assert dots.errors == []


def test_frames_never_queue(dots: Shown, clip: Path) -> None:
    page, held, holding = dots.page, list[Route](), True
    page.route("**/v1/poses*", lambda route: held.append(route) if holding else route.continue_())
    page.set_input_files("#file", clip)
    expect(page.locator("#time")).to_have_text(re.compile("0:(0[2-9]|1.) / 0:20"))
    assert len(held) == 2  # of dozens of frames
    holding = False
    for route in held:
        route.continue_()
    eventually(lambda: dots.people == 2 and time_in_sync(dots) >= 2)  # those between were left out
    assert dots.errors == []


def test_a_late_answer_never_replaces_a_newer_one(dots: Shown, clip: Path) -> None:
    page, late = dots.page, list[Route]()
    page.route("**/v1/poses*", lambda route: route.continue_() if late else late.append(route))
    page.set_input_files("#file", clip)
    eventually(lambda: dots.people == 2 and time_in_sync(dots) > 0)
    page.get_by_role("button", name="Pause").click()
    eventually(lambda: page.locator("#list button").count() == 2)
    now = time_in_sync(dots)
    with page.expect_response(lambda answer: answer.ok and "/v1/poses" in answer.url):
        late[0].continue_()
    page.wait_for_timeout(300)
    assert time_in_sync(dots) >= now > 0
    assert dots.errors == []


def test_a_server_that_comes_back_is_asked_again(dots: Shown, clip: Path) -> None:
    page = dots.page
    page.route("**/v1/poses*", lambda route: route.abort())
    page.set_input_files("#file", clip)
    expect(page.locator("#error")).to_contain_text("cannot be reached")
    expect(page.locator("#error")).to_contain_text("Trying again")
    page.unroute("**/v1/poses*")
    assert dots.people == 2
    expect(page.locator("#error")).to_be_hidden()


def test_with_reduced_motion_a_video_waits(browser: Browser, dots_url: str, clip: Path) -> None:
    with tab(browser, reduced_motion="reduce") as shown:
        page = shown.start(dots_url).page
        page.set_input_files("#file", clip)
        assert shown.people == 2
        expect(page.get_by_role("button", name="Play")).to_be_visible()
        expect(page.locator("#time")).to_have_text("0:00 / 0:20")
        assert time_in_sync(shown) == 0
        with page.expect_response(lambda answer: "input_size=256" in answer.url and answer.ok):
            page.select_option("#size", "256")  # a new setting asks about the same frame again
        assert shown.errors == []


def test_what_is_no_video(dots: Shown) -> None:
    dots.open_bytes("clip.mp4", "video/mp4", b"no video")
    expect(dots.page.locator("#error")).to_contain_text("This browser cannot play clip.mp4")
    expect(dots.page.locator("#player")).to_be_hidden()
    expect(dots.page.locator("#busy")).to_be_hidden()


@pytest.mark.parametrize(("reason", "text"), [("NotAllowedError", "may not use"), ("NotFoundError", "No webcam")])
def test_a_webcam_that_does_not_start(empty_tab: Shown, dots_url: str, reason: str, text: str) -> None:
    empty_tab.page.add_init_script(
        f"navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', '{reason}'))"
    )
    page = empty_tab.start(dots_url).page
    page.click("#webcam")
    expect(page.locator("#error")).to_contain_text(text)
    expect(page.locator("#webcam")).to_have_text("Start webcam")
    expect(page.locator("#busy")).to_be_hidden()
    assert empty_tab.errors == []
