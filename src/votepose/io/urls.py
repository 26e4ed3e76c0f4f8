"""Tells paths from fsspec URLs by their text alone, without importing fsspec."""

from __future__ import annotations

import os
import re
from pathlib import Path

from votepose.io.download import is_url

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):/")  # at least two letters: C:/ is a drive


def is_remote(name: str) -> bool:
    """Whether it is a URL for fsspec: any but http(s), which `read_image` downloads with limits."""
    return "://" in name and not is_url(name)


def is_address(folder: Path) -> bool:
    """Whether a folder was given as a URL; `Path` collapses the URL's two slashes to one."""
    return bool(_SCHEME.match(str(folder)))


def url_of(folder: Path) -> str:
    """The URL as it was given, with both slashes; for a local folder, the absolute path."""
    text = str(folder)
    found = _SCHEME.match(text)
    if not found:
        return os.path.abspath(text)
    rest = text[found.end() :].lstrip("/")
    return f"/{rest}" if found[1] in ("file", "local") else f"{found[1]}://{rest}"
