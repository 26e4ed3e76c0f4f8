"""Numbers of things in messages."""

from __future__ import annotations


def counted(number: int, what: str, several: str | None = None) -> str:
    """Such as "1 image" or "2 images"; `several` is the plural if it is not `what` with an s."""
    return f"{number} {what if number == 1 else several or what + 's'}"
