"""votepose: every person's pose in a photo, in one pass: each cell votes for a whole body."""

__version__ = "0.1.0"
