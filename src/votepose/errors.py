"""The one exception that votepose raises for its user's mistakes, and other libraries' messages on one line."""

from __future__ import annotations


class VoteposeError(ValueError):
    """A user's mistake. The message is one line that names what is wrong and what to do."""


def one_line(error: BaseException, most: int = 200) -> str:
    """The message of an error on one line, at most `most` characters; the name of its type if it has no message."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join(text.split())[:most] or type(error).__name__
