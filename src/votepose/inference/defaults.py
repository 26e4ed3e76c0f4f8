"""Settings of the runtime that hold where the user names none."""

from __future__ import annotations

SCORE_THRESHOLD = 0.35  # people whose score is below it are left out
