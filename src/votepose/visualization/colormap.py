"""The colour map for heatmaps, shared by the page and the figure of `votepose explain`."""

from __future__ import annotations

import numpy as np

# dark violet, magenta, orange, pale yellow: even steps of lightness, like matplotlib's inferno
_STOPS = np.array([(24, 12, 60), (101, 21, 110), (188, 55, 84), (237, 105, 37), (251, 180, 26), (252, 255, 190)])


def heat_colours(values: np.ndarray) -> np.ndarray:
    """Values (h, w) in [0, 1] -> (h, w, 4) uint8 RGBA, higher values are brighter and less transparent."""
    values = np.nan_to_num(values).clip(0, 1)
    place = values * (len(_STOPS) - 1)
    channels = [np.interp(place, np.arange(len(_STOPS)), _STOPS[:, k]) for k in range(3)]
    opacity = 255 * np.minimum(1, values * 1.8)
    return np.rint(np.stack([*channels, opacity], axis=-1)).astype(np.uint8)
