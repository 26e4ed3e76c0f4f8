"""Results are only added to where they were made with the same settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from votepose.errors import VoteposeError
from votepose.io.settings import read_note, require_same_settings


def test_settings_are_compared_as_json_gives_them_back() -> None:
    require_same_settings({"size": [1, 2], "data": "a/b"}, {"size": (1, 2), "data": Path("a/b")}, "out: was", "stop")
    require_same_settings({"limit": None}, {}, "out: was", "stop")


def test_the_first_setting_that_differs_is_named() -> None:
    with pytest.raises(VoteposeError, match=r"^out: was made with seed 1, not 2; choose another --out$"):
        require_same_settings({"seed": 1, "size": 5}, {"seed": 2, "size": 6}, "out: was", "choose another --out")
    with pytest.raises(VoteposeError, match="made with seed None, not 2"):
        require_same_settings(None, {"seed": 2}, "out: was", "stop")


@pytest.mark.parametrize("text", ["[]", "{", b"\xff", "3"])
def test_what_is_not_a_note_is_one_line(text: str | bytes) -> None:
    with pytest.raises(VoteposeError, match=r"^run.json: was not written by an earlier run; stop$"):
        read_note(text, "run.json", "stop")
    assert read_note('{"a": 1}', "run.json", "stop") == {"a": 1}
