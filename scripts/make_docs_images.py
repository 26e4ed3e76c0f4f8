"""Regenerate docs/images from examples/.

    python scripts/make_docs_images.py [--weights model.onnx]

The page of `votepose explain` is captured with Debian's Chromium through playwright (pip install playwright); without
them those two images are not updated.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import votepose
from votepose.explain.collect import gather
from votepose.explain.explanation import Explanation
from votepose.explain.page import to_page
from votepose.explain.sheet import draw_sheet
from votepose.visualization.draw import draw

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs/images"
CHROMIUM = Path("/usr/bin/chromium")
# keeps the browser from contacting any server
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def main() -> None:
    """Write the images and print their sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, help="an ONNX file (default: the bundled one)")
    explanation = gather(votepose.load(parser.parse_args().weights), ROOT / "examples/stairs.jpg")
    _save(draw(explanation.image, explanation.poses[explanation.shown]), "stairs", 1024)
    _save(draw_sheet(explanation), "explain", 1300)
    if CHROMIUM.exists():
        for scheme in ("light", "dark"):
            _save(photograph(explanation, scheme), f"explain-page-{scheme}", 1300)
    total = sum(path.stat().st_size for path in IMAGES.iterdir())
    print(f"{IMAGES}: {total / 1e6:.2f} MB")


def closest_strangers(explanation: Explanation) -> tuple[int, int]:
    """The two votes of different people that are closest to agreeing."""
    shown = np.isin(explanation.person, np.flatnonzero(explanation.shown))
    apart = np.where(explanation.person[:, None] == explanation.person[None], np.inf, explanation.distances)
    apart[~shown], apart[:, ~shown] = np.inf, np.inf
    a, b = np.unravel_index(apart.argmin(), apart.shape)
    return int(a), int(b)


def photograph(explanation: Explanation, scheme: str) -> Image.Image:
    """A screenshot of the page with two votes picked."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        page, shot = Path(folder, "page.html"), Path(folder, "shot.png")
        page.write_text(to_page(explanation), encoding="utf-8")
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        tab = browser.new_page(viewport={"width": 1360, "height": 800}, color_scheme=scheme)
        tab.goto(page.as_uri())
        a, b = closest_strangers(explanation)
        tab.evaluate(f"pick({a}); pick({b})")
        tab.wait_for_timeout(300)
        tab.screenshot(path=shot)
        browser.close()
        return Image.open(shot).convert("RGB")


def _save(picture: Image.Image, name: str, longest: int) -> None:
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    path = IMAGES / f"{name}.jpg"
    picture.save(path, quality=84, optimize=True)
    print(f"{path.relative_to(ROOT)}: {picture.width}x{picture.height}, {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
