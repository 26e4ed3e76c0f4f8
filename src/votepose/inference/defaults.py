"""Default settings of the runtime."""

from __future__ import annotations

SCORE_THRESHOLD = 0.35  # people with a lower score are left out
