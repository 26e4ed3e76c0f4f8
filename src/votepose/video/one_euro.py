"""Smooths keypoints with a One-Euro filter that takes each keypoint's confidence into account."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MIN_INTERVAL = 1e-3  # seconds: time stamps may repeat


@dataclass(frozen=True)
class Smoothing:
    """One-Euro filter (Casiez, Roussel, Vogel: 1€ filter, CHI 2012), with a cutoff frequency for each keypoint.

    Slow keypoints are smoothed strongly (no jitter), fast ones weakly (no lag): cutoff = min_cutoff + beta * speed.

    The defaults were chosen on videos 100 to 105 of `benchmarks/tracking.py`, which also reports other settings.

    Attributes:
        min_cutoff: cutoff in Hz of a keypoint at rest. Lower is steadier but slower to follow.
        beta: increase of the cutoff in Hz at a speed of one body size per second. Higher follows fast motion with less
            lag.
        speed_cutoff: cutoff in Hz of the speed estimate.
        min_confidence: lower confidences are raised to it. A keypoint of confidence c moves the result as if it was
            measured for the fraction c of the time. 1 gives the filter of the paper, which ignores confidences.
    """

    min_cutoff: float = 1.0
    beta: float = 8.0
    speed_cutoff: float = 1.0
    min_confidence: float = 0.2


class OneEuro:
    """The filter of one body's K keypoints: `one_euro(points, confidences, time, size, options) -> points`."""

    def __init__(self) -> None:
        self._time: float | None = None
        self._points = self._speeds = np.zeros((0, 2))

    def __call__(
        self, points: np.ndarray, confidences: np.ndarray, time: float, size: float, options: Smoothing
    ) -> np.ndarray:
        """The smoothed points (K, 2), in pixels.

        Args:
            points: (K, 2) measured points, in pixels.
            confidences: (K,) in [0, 1].
            time: time of the measurement, in seconds.
            size: size of the body in pixels, the unit of speed, so that near and far people are smoothed alike.
        """
        if self._time is None:
            self._time, self._points, self._speeds = time, points.astype(float), np.zeros(points.shape)
            return self._points
        passed = max(time - self._time, MIN_INTERVAL)
        speeds = (points - self._points) / passed
        self._speeds = self._speeds + (speeds - self._speeds) * _share(options.speed_cutoff, passed)
        cutoffs = options.min_cutoff + options.beta * np.linalg.norm(self._speeds, axis=1) / max(size, 1e-6)
        weights = np.clip(confidences, options.min_confidence, 1)
        shares = 1 - (1 - _share(cutoffs, passed)) ** weights
        self._time, self._points = time, self._points + (points - self._points) * shares[:, None]
        return self._points


def _share(cutoff: np.ndarray | float, passed: float) -> np.ndarray:
    """Weight of the new value in a low-pass filter of `cutoff` Hz after `passed` seconds (Casiez et al., eq. 5 and
    6)."""
    return np.asarray(1 / (1 + 1 / (2 * np.pi * np.asarray(cutoff) * passed)))
