"""The page by keyboard and screen reader: names, focus, choosing people, and what is announced."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright", reason="the page is tested in a browser")

from playwright.sync_api import expect

from helpers.fake_model import red_dot
from helpers.live import encode
from helpers.page import Shown

DOT = encode(red_dot(192, 96, 80, 40, 16))
# The ring is on the focused element, or on the one that is seen in its place: the label around it, or after it.
RING = """() => {
    const there = document.activeElement;
    const seen = [there, there.parentElement, there.nextElementSibling].filter(Boolean);
    const ring = seen.some((element) => getComputedStyle(element).outlineStyle === "solid");
    return [there.id || there.value || there.textContent, ring];
}"""


def test_every_control_has_a_name(dots: Shown) -> None:
    dots.open_bytes("dot.png", "image/png", DOT)
    assert dots.people == 2
    dots.page.evaluate("() => document.querySelectorAll('[hidden]').forEach((element) => (element.hidden = false))")
    session = dots.page.context.new_cdp_session(dots.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    focusable = {}
    for node in nodes:
        properties = {entry["name"]: entry["value"].get("value") for entry in node.get("properties", [])}
        if properties.get("focusable") and node["role"]["value"] != "RootWebArea":
            focusable[node["nodeId"]] = (node["role"]["value"], node.get("name", {}).get("value", ""))
    assert len(focusable) >= 15
    assert [role for role, name in focusable.values() if not name.strip()] == []


def test_focus_is_seen_everywhere(dots: Shown) -> None:
    dots.open_bytes("dot.png", "image/png", DOT)
    expect(dots.page.locator("#list button")).to_have_count(2)
    rings = {}
    while True:
        dots.page.keyboard.press("Tab")
        if dots.page.evaluate("() => document.activeElement === document.body") or len(rings) > 40:
            break
        name, ring = dots.page.evaluate(RING)
        if name in rings:
            break
        rings[name] = ring
    expected = {"canvas", "file", "webcam", "accurate", "score", "presence", "size", "inferred", "json", "picture"}
    assert expected <= set(rings)
    assert [name for name, ring in rings.items() if not ring] == []


def test_people_are_chosen_on_the_canvas(dots: Shown) -> None:
    dots.open_bytes("dot.png", "image/png", DOT)
    assert dots.people == 2
    page, everyone = dots.page, dots.painted
    first, second = page.locator("#list button").all()
    page.focus("#canvas")
    page.keyboard.press("ArrowRight")
    expect(first).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#status")).to_contain_text("Person 1 of 2, score ")
    assert dots.painted != everyone
    page.keyboard.press("ArrowRight")
    expect(second).to_have_attribute("aria-pressed", "true")
    expect(first).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#canvas")).to_have_attribute("aria-label", "2 people found, person 2 alone")
    expect(page.locator("#canvas")).to_be_focused()
    page.keyboard.press("Escape")
    expect(second).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#status")).to_have_text("2 people found")
    assert dots.painted == everyone

    box = page.locator("#canvas").bounding_box()
    assert box
    nose = dots.saved()[1]["people"][0]["keypoints"]["nose"]
    at = {"x": (nose["x"] + 0.3) / 192 * box["width"], "y": (nose["y"] + 0.3) / 96 * box["height"]}
    page.click("#canvas", position=at)
    expect(first).to_have_attribute("aria-pressed", "true")
    page.click("#canvas", position=at)
    expect(first).to_have_attribute("aria-pressed", "false")


def test_results_are_announced(dots: Shown) -> None:
    status = dots.page.locator("p[role=status]")
    dots.open_bytes("dot.png", "image/png", DOT)
    expect(status).to_have_text("2 people found")
    dots.page.focus("#score")
    dots.page.keyboard.press("End")
    expect(status).to_have_text("1 person found")
    expect(dots.page.locator("#canvas")).to_have_attribute("aria-label", "1 person found")
