"""Who is who over the frames of a video, by OKS matching; and steadier keypoints, by a One-Euro filter.

Every track foresees where its person will be. The people of a frame are given to the tracks so that the sum of object
keypoint similarities is largest; who fits no track begins one. A track that nobody fits lives on for a while, so that a
person who was hidden gets the same id again. Ids count from 1 and are never reused.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from votepose.poses import Poses
from votepose.skeleton import BODY_SHARE
from votepose.utils.assignment import assign
from votepose.video.one_euro import OneEuro, Smoothing

_SOON = 1e-3  # seconds: time stamps may repeat


@dataclass(frozen=True)
class Tracking:
    """How people are followed. The defaults were chosen on videos 100 to 105 of `benchmarks/tracking.py`.

    Attributes:
        min_oks: least similarity of a person and a track's forecast; below it they are different people.
        max_gap: seconds that a track lives unseen.
        slack: by how much OKS' tolerances are widened: a pose that is foreseen is less exact than an annotated one.
        growth: how fast they widen further for a track that is not seen, a second.
        momentum: share of a track's old velocity in its new one; None foresees no motion.
        smooth: the filter of its keypoints; None for none.
    """

    min_oks: float = 0.2
    max_gap: float = 1.0
    slack: float = 1.5
    growth: float = 2.0
    momentum: float | None = 0.7
    smooth: Smoothing | None = None


class Tracker:
    """Gives the people of one frame after another their ids: `tracker(poses, time) -> Poses`, in the same order.

    Args:
        options: how people are followed; None for `Tracking()`.
    """

    def __init__(self, options: Tracking | None = None) -> None:
        self.options = options or Tracking()
        self._tracks: list[_Track] = []
        self._next = 1

    def __call__(self, poses: Poses, time: float) -> Poses:
        """The people of a frame with `ids`, and smoothed keypoints if the options say so.

        Args:
            poses: of the next frame; of one skeleton throughout.
            time: of the frame, in seconds, from any start.
        """
        self._tracks = [track for track in self._tracks if time - track.time <= self.options.max_gap]
        similar = self._similarities(poses, time)
        matched = {person: self._tracks[track] for person, track in zip(*assign(similar), strict=True)}
        points = poses.keypoints.copy()
        ids = np.zeros(len(poses), np.int64)
        for k in range(len(poses)):  # best first, so that of newcomers the surest gets the lower id
            track = matched.get(k)
            if track is None:
                track = _Track(self._next, poses.keypoints[k], poses.confidences[k], time)
                self._tracks.append(track)
                self._next += 1
            else:
                track.update(poses.keypoints[k], poses.confidences[k], time, self.options.momentum)
            if self.options.smooth:
                points[k] = track.filter(poses.keypoints[k], poses.confidences[k], time, self.options.smooth)
            ids[k] = track.id
        return replace(poses, keypoints=points, ids=ids)

    def _similarities(self, poses: Poses, time: float) -> np.ndarray:
        """(P, T): OKS of person and forecast; 0 where they are different people."""
        if not self._tracks or not len(poses):
            return np.zeros((len(poses), len(self._tracks)))
        forecasts = np.stack([track.forecast(time) for track in self._tracks])
        widths = np.array([self.options.slack + self.options.growth * (time - track.time) for track in self._tracks])
        weights = np.stack([track.confidences for track in self._tracks])
        similar = oks(
            poses.keypoints,
            forecasts,
            poses.skeleton.kappas[None] * widths[:, None],
            poses.confidences[:, None] * weights[None],
        )
        return np.where(similar >= self.options.min_oks, similar, 0.0)


@dataclass
class _Track:
    """One person: what was last seen of them, and how they move."""

    id: int
    keypoints: np.ndarray
    confidences: np.ndarray
    time: float
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))  # of the whole body, pixels a second
    euro: OneEuro = field(default_factory=OneEuro)
    met: int = 1

    def forecast(self, time: float) -> np.ndarray:
        return self.keypoints + self.velocity * (time - self.time)

    def update(self, keypoints: np.ndarray, confidences: np.ndarray, time: float, momentum: float | None) -> None:
        passed = max(time - self.time, _SOON)
        if momentum is not None:
            weights = confidences * self.confidences + 1e-6
            moved = ((keypoints - self.keypoints) * weights[:, None]).sum(axis=0) / weights.sum() / passed
            kept = min(momentum, 1 - 1 / (self.met + 1))  # the first frames' mean, then a moving one
            self.velocity = kept * self.velocity + (1 - kept) * moved if self.met > 1 else moved
        self.keypoints, self.confidences, self.time, self.met = keypoints, confidences, time, self.met + 1

    def filter(self, points: np.ndarray, confidences: np.ndarray, time: float, options: Smoothing) -> np.ndarray:
        return self.euro(points, confidences, time, float(np.sqrt(_areas(points))), options)


def oks(first: np.ndarray, second: np.ndarray, kappas: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Object keypoint similarity of every two bodies (COCO keypoint evaluation), their joints weighed.

    Args:
        first: (P, K, 2); its bodies' areas are those that count.
        second: (T, K, 2).
        kappas: (T, K) fall-off constants, relative to the root of the area.
        weights: (P, T, K) at least 0.

    Returns:
        (P, T) in [0, 1].
    """
    squares = ((first[:, None] - second[None]) ** 2).sum(axis=3)
    areas = np.maximum(_areas(first)[:, None], _areas(second)[None])
    falls = np.exp(-squares / (2 * areas[..., None] * kappas[None] ** 2))
    weights = weights + 1e-6
    return (falls * weights).sum(axis=2) / weights.sum(axis=2)


def _areas(points: np.ndarray) -> np.ndarray:
    """Areas (...) of bodies (..., K, 2), pixels², by their hulls' boxes, no thinner than a third of their length."""
    sides = np.ptp(points, axis=-2)
    longest = sides.max(axis=-1)
    return np.maximum(BODY_SHARE * longest * np.maximum(sides.min(axis=-1), longest / 3), 1.0)
