"""Numbers of things read as English."""

from __future__ import annotations

from votepose.utils.wording import counted


def test_one_thing_is_singular_and_none_or_several_are_plural() -> None:
    assert [counted(n, "image") for n in (0, 1, 2)] == ["0 images", "1 image", "2 images"]
    assert [counted(n, "person", "people") for n in (0, 1, 2)] == ["0 people", "1 person", "2 people"]
