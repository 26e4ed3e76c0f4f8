"""Detects cuts and numbers scenes, so that ids do not continue in another scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

_SIZE = 32, 18  # size in pixels of the thumbnail whose structure is compared
_SHIFT = 10, 5  # maximum shift by a panning camera, in its pixels
_BINS = 8  # per colour channel
_FLAT = 3.0  # minimum variation in grey levels; frames with less are black or white and are ignored
# Chosen on 354 pairs of photos (different places, rallies, zooms) and on synthetic pans, zooms, flashes and passers-by.
_COLOURS = 0.18  # minimum share of pixels that change their colour
_STRUCTURE = 0.4  # minimum of 1 - correlation at the best shift


class Scenes:
    """Numbers the scenes of a video: `scenes(pixels, time) -> int`, the same for all frames between two cuts.

    At a cut, both colours and structure change. A flash only changes the colours, a moving camera only shifts the
    structure. Black and white frames belong to the scene before. A scene that returns within `memory`, as after a
    flash, gets its number again.

    Args:
        memory: time in seconds.
    """

    def __init__(self, memory: float = 1.0) -> None:
        self._memory = memory
        self._shots: list[_Shot] = []  # most recent first
        self._count = 0

    def __call__(self, pixels: np.ndarray, time: float) -> int:
        """The number of the scene, from 1; 0 while all frames so far are black or white.

        Args:
            pixels: pixels of the next frame, (H, W, 3) uint8 RGB.
            time: time of the frame, in seconds.
        """
        grey, colours = _structure(pixels), _histogram(pixels)
        if grey.std() >= _FLAT:
            known = [shot for shot in self._shots if shot is self._shots[0] or time - shot.time <= self._memory]
            shot = next((shot for shot in known if not _differ(shot, grey, colours)), None)
            self._count += shot is None
            current = _Shot(shot.number if shot else self._count, grey, colours, time)
            self._shots = [current, *(other for other in known if other is not shot)]
        return self._shots[0].number if self._shots else 0


@dataclass(frozen=True, eq=False)
class _Shot:
    """A scene's latest frame: structure (18, 32) in grey levels, histogram of colours, time in seconds."""

    number: int
    grey: np.ndarray
    colours: np.ndarray
    time: float


def _differ(shot: _Shot, grey: np.ndarray, colours: np.ndarray) -> bool:
    changed = 1 - float(np.minimum(shot.colours, colours).sum())
    return changed > _COLOURS and 1 - _best_correlation(shot.grey, grey) > _STRUCTURE


def _structure(pixels: np.ndarray) -> np.ndarray:
    part = _thinned(pixels, 4 * _SIZE[0], 4 * _SIZE[1])
    small = Image.fromarray(part).resize(_SIZE, Image.Resampling.BOX)
    return np.asarray(small, np.float32).mean(axis=2)


def _histogram(pixels: np.ndarray) -> np.ndarray:
    """Colour histogram with soft bins: a colour at the edge of a bin counts for both sides."""
    bins = _thinned(pixels, 128, 72).reshape(-1, 3) // (256 // _BINS)
    counts = np.bincount(bins @ np.array([_BINS**2, _BINS, 1]), minlength=_BINS**3).astype(float)
    cube = counts.reshape(_BINS, _BINS, _BINS)
    for axis in range(3):
        padded = np.pad(cube, [(1, 1) if k == axis else (0, 0) for k in range(3)], mode="edge")
        before, here, after = (padded.take(range(k, k + _BINS), axis) for k in range(3))
        cube = (before + 2 * here + after) / 4
    return np.asarray(cube / cube.sum())


def _thinned(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Every nth pixel in both directions, so that at least width x height remain."""
    return np.ascontiguousarray(pixels[:: max(1, pixels.shape[0] // height), :: max(1, pixels.shape[1] // width)])


def _best_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """The highest correlation of two frames where they overlap, over all shifts within `_SHIFT`."""
    height, width = a.shape
    best = -1.0
    for down in range(-_SHIFT[1], _SHIFT[1] + 1):
        for right in range(-_SHIFT[0], _SHIFT[0] + 1):
            ours = a[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)]
            theirs = b[max(0, -down) : height + min(0, -down), max(0, -right) : width + min(0, -right)]
            best = max(best, _correlation(ours, theirs))
    return best


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-6))
