"""The exception that votepose raises for users' mistakes, and other libraries' messages on one line."""

from __future__ import annotations


class VoteposeError(ValueError):
    """A user's mistake. The message is one line that says what is wrong and what to do."""


def one_line(error: BaseException, most: int = 200) -> str:
    """An error's message on one line of at most `most` characters, or its type's name if it has no message.

    An error about a file or URL is described without it, since a URL may contain a password.
    """
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split())[:most] or type(error).__name__


def installing(extra: str) -> str:
    """How to install an extra: from a clone, as no package index has votepose."""
    return f'pip install ".[{extra}]" in a clone of votepose'
