"""Tells paths from URLs of file systems by their text alone: no import of fsspec."""

from __future__ import annotations

import os
import re
from pathlib import Path

from votepose.io.download import is_url

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):/")  # at least two letters: C:/ is a drive


def is_remote(name: str) -> bool:
    """Whether fsspec should open it: a URL other than http(s), which `read_image` reads with its limits."""
    return "://" in name and not is_url(name)


def is_address(folder: Path) -> bool:
    """Whether a folder was given as a URL. A Path has one slash where the URL has two."""
    return bool(_SCHEME.match(str(folder)))


def url_of(folder: Path) -> str:
    """The folder as given, with both slashes; a local one as an absolute path."""
    text = str(folder)
    found = _SCHEME.match(text)
    if not found:
        return os.path.abspath(text)
    rest = text[found.end() :].lstrip("/")
    return f"/{rest}" if found[1] in ("file", "local") else f"{found[1]}://{rest}"
