"""What is a path and what is the URL of a file system: told from the text alone, so that it costs no import of Ray."""

from __future__ import annotations

import os
import re
from pathlib import Path

from votepose.io.download import is_url

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):/")  # two letters at least: C:/ is a drive


def is_remote(name: str) -> bool:
    """Whether fsspec is to open it: a URL, but not of the web, whose addresses `read_image` takes with its limits."""
    return "://" in name and not is_url(name)


def is_address(folder: Path) -> bool:
    """Whether a folder was typed as a URL: a Path has one slash where that has two."""
    return bool(_SCHEME.match(str(folder)))


def url_of(folder: Path) -> str:
    """The folder as it was typed, with both slashes; those on this machine as absolute paths."""
    text = str(folder)
    found = _SCHEME.match(text)
    if not found:
        return os.path.abspath(text)
    rest = text[found.end() :].lstrip("/")
    return f"/{rest}" if found[1] in ("file", "local") else f"{found[1]}://{rest}"
