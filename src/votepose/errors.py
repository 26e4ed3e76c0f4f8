"""The one exception that votepose raises for mistakes of its user."""

from __future__ import annotations


class VoteposeError(ValueError):
    """A mistake of the user's, said in one line that names what was wrong and what to do."""
