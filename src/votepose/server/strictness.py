"""Refuses, rather than ignores, unknown options and form fields."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from starlette.datastructures import QueryParams

from votepose.server.errors import RequestError, printable

OPTIONS = ("input_size", "presence_threshold", "score_threshold", "format", "scores", "model")  # of /v1/poses
BATCH_OPTIONS = ("input_size", "presence_threshold", "score_threshold", "model")  # of /v1/batch
_HOW = "send the file's bytes as the body, or in a form's field named file"
_BASE64 = (b"/9j/", b"iVBOR", b"UklGR", b"R0lGOD", b"data:")  # starts of JPEG, PNG, WebP, GIF; a data URL


def check_query(query: QueryParams, options: Sequence[str]) -> None:
    """Check that every name in a query is one of `options` and occurs once.

    Raises:
        RequestError: 422, with the name and the available options.
    """
    names = [name for name, _ in query.multi_items()]
    for name in names:
        if name not in options:
            raise RequestError(422, f"{_shown(name)}: no such option{_hint(name, options)}")
        if names.count(name) > 1:
            raise RequestError(422, f"{name}: given {names.count(name)} times")


def stray_field(name: str) -> RequestError:
    """The error for a form field other than the file."""
    if name in OPTIONS:
        return RequestError(422, f"{name}: options belong in the URL, as in /v1/poses?{name}=..., not in the form")
    return RequestError(422, f"{_shown(name)}: no such form field; a form holds the file only, options go in the URL")


def how_to_send(data: bytes) -> str:
    """Recognise JSON, base64 or form data sent as an image, and explain how to send one; "" for anything else."""
    start = data[:64].lstrip()
    if start.startswith((b"{", b"[", b'"')):
        return f"this is JSON, not an image: {_HOW}, without JSON and base64"
    if start.startswith(_BASE64):
        return f"this is base64 text, not an image: {_HOW}, decoded"
    if re.match(rb"[\w.%+-]+=", start):
        return f"this is a URL-encoded form, not an image: {_HOW} (multipart/form-data)"
    return ""


def _hint(name: str, options: Sequence[str]) -> str:
    if not options:
        return "; there are no options"
    close = difflib.get_close_matches(name[:60].lower(), options, n=1) or [o for o in options if name.lower() in o][:1]
    return f"; {f'did you mean {close[0]}? ' if name and close else ''}the options are {', '.join(options)}"


def _shown(name: str) -> str:
    return printable(name, 60) or "a name"
