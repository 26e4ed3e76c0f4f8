"""Tabs of a headless Chromium with a fake webcam, and queries of the server's page in one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, TimeoutError, expect

from helpers.scripts_of import script

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
EXAMPLES = Path(__file__).parents[2] / "examples"
FLAGS = (*script("make_docs_images").FLAGS, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
NONE_YET = "\u2013"
PATIENCE = 60_000  # milliseconds: the machine may be busy
expect.set_options(timeout=PATIENCE)


@dataclass
class Shown:
    """A page, and what it did."""

    page: Page
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # URLs of /v1/poses

    def start(self, url: str) -> Shown:
        """Open the server's page and wait until it is ready."""
        self.page.goto(url)
        expect(self.page.locator("#file")).to_be_enabled()
        return self

    def open(self, name: str) -> None:
        """Open one of the examples."""
        self.page.set_input_files("#file", EXAMPLES / name)

    def open_bytes(self, name: str, kind: str, data: bytes) -> None:
        """Open a file that is not on the disk."""
        self.page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": data})

    @property
    def people(self) -> int:
        """How many the page counts, once it does."""
        expect(self.page.locator("#people")).not_to_have_text(NONE_YET)
        return int(self.page.inner_text("#people"))

    @property
    def painted(self) -> str:
        """What is on the canvas."""
        return self.page.locator("#canvas").evaluate("canvas => canvas.toDataURL()")

    def saved(self) -> tuple[str, dict[str, Any]]:
        """The name and the content of the file that the button Save JSON gives.

        It is disabled while a frame waits for its people. A click at that moment does nothing, so it is repeated.
        """
        attempts = 20
        for left in reversed(range(attempts)):
            try:
                with self.page.expect_download(timeout=PATIENCE / attempts) as download:
                    self.page.click("#json")
                break
            except TimeoutError:
                if not left:
                    raise
        return download.value.suggested_filename, json.loads(Path(download.value.path()).read_text())

    def expect_text(self, selector: str, text: str) -> None:
        """Wait until an element has this text."""
        expect(self.page.locator(selector)).to_have_text(text)


@contextmanager
def tab(browser: Browser, **options: Any) -> Iterator[Shown]:
    """An empty tab. Requests to anything but the local server, and warnings, are among its `errors`."""
    page = browser.new_page(**{"viewport": {"width": 1280, "height": 800}} | options)
    page.set_default_timeout(PATIENCE)
    shown = Shown(page)
    page.on("console", lambda line: shown.errors.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: shown.errors.append(str(error)))
    page.on("requestfailed", lambda request: shown.errors.append(f"{request.url} {request.failure}"))
    page.on("request", lambda request: shown.asked.append(request.url) if "/v1/poses" in request.url else None)
    page.on("request", lambda request: None if _is_local(request.url) else shown.errors.append(request.url))
    yield shown
    page.close()


def _is_local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "blob:", "data:"))
