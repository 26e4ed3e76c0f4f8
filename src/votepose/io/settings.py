"""Checks that earlier results were made with the same settings before a run adds to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from votepose.errors import VoteposeError


def read_note(text: str | bytes, file: Path | str, otherwise: str) -> dict[str, Any]:
    """The JSON object that an earlier run left beside its results.

    Args:
        text: text of the note.
        file: path of the note, for the message.
        otherwise: what the user can do instead, for the message.

    Raises:
        VoteposeError: if it is not a JSON object.
    """
    try:
        note = json.loads(text)
    except ValueError:
        note = None
    if not isinstance(note, dict):
        raise VoteposeError(f"{file}: was not written by an earlier run; {otherwise}")
    return note


def require_same_settings(before: Any, settings: Mapping[str, Any], what: str, otherwise: str) -> None:
    """Check that an earlier run had this run's settings, compared as JSON: a tuple equals a list, a path its text.

    Args:
        before: the earlier run's settings, as read from its note.
        settings: this run's settings.
        what: the results; starts the message, which continues with "made with ...".
        otherwise: what the user can do instead; ends the message.

    Raises:
        VoteposeError: if they differ; the message names the alphabetically first setting that does.
    """
    now = as_json(settings)
    before = before if isinstance(before, dict) else {}
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            raise VoteposeError(f"{what} made with {key} {before.get(key)}, not {now.get(key)}; {otherwise}")


def as_json(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings after a round trip through JSON."""
    return dict(json.loads(json.dumps(dict(settings), default=str)))
