"""Tracks people over the frames of a video by OKS matching, and smooths keypoints with a One-Euro filter.

Each track predicts its person's next pose. The people in a frame are assigned to tracks so that the sum of their object
keypoint similarities is largest; a person without a track starts a new one. An unmatched track is kept for a while, so
a person who was hidden gets the same id again. Ids count from 1 and are never reused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from votepose.oks import body_sizes, oks
from votepose.poses import Poses
from votepose.skeleton import BODY_SHARE
from votepose.utils.assignment import assign
from votepose.video.one_euro import MIN_INTERVAL, OneEuro, Smoothing


@dataclass(frozen=True)
class Tracking:
    """Options of a `Tracker`. The defaults were chosen on videos 100 to 105 of `benchmarks/tracking.py`.

    Attributes:
        min_oks: minimum OKS between a person and a track's prediction for a match.
        max_gap: seconds for which an unmatched track is kept; must exceed the time between two frames.
        slack: factor that widens OKS' tolerances, since a predicted pose is less exact than an annotated one.
        growth: further increase of that factor per second without a match.
        momentum: weight of the old velocity in a track's velocity update; None predicts no motion.
        smooth: options of the keypoint filter; None for no smoothing.
    """

    min_oks: float = 0.2
    max_gap: float = 1.0
    slack: float = 1.5
    growth: float = 2.0
    momentum: float | None = 0.7
    smooth: Smoothing | None = None


class Tracker:
    """Assigns ids to the people in consecutive frames: `tracker(poses, time) -> Poses`, in the same order.

    Args:
        options: None for `Tracking()`.
    """

    def __init__(self, options: Tracking | None = None) -> None:
        self.options = options or Tracking()
        self._tracks: list[_Track] = []
        self._next_id = 1
        self._time: float | None = None
        self._size: tuple[int, int] | None = None  # of the first frame whose size is known; tracks are in its pixels

    def __call__(self, poses: Poses, time: float, scene: int = 0) -> Poses:
        """The people in a frame with `ids`, and with smoothed keypoints if so configured.

        Args:
            poses: poses in the next frame; all frames must have the same skeleton, but may differ in size.
            time: time of the frame, in seconds from an arbitrary origin; a time before the last frame's is replaced by
                that.
            scene: number of its scene, from `cuts.Scenes`; tracks do not continue in other scenes.
        """
        self._time = time = time if self._time is None else max(time, self._time)
        self._tracks = [track for track in self._tracks if time - track.time <= self.options.max_gap]
        scale, offset = self._to_first_size(poses)
        keypoints, ids = self._follow(replace(poses, keypoints=poses.keypoints * scale + offset), time, scene)
        if not self.options.smooth:
            return replace(poses, ids=ids)
        return replace(poses, keypoints=((keypoints - offset) / scale).astype(poses.keypoints.dtype), ids=ids)

    def _to_first_size(self, poses: Poses) -> tuple[float, np.ndarray]:
        """Scale and offset (2,) from this frame's pixels to the first frame's: uniformly scaled and centred."""
        known = all(poses.image_size)
        if known and self._size is None:
            self._size = poses.image_size
        if not known or self._size is None or poses.image_size == self._size:
            return 1.0, np.zeros(2)
        size, first = np.array(poses.image_size), np.array(self._size)
        scale = float((first / size).min())
        return scale, (first - scale * size) / 2

    def _follow(self, poses: Poses, time: float, scene: int) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints (P, K, 2), smoothed if so configured, and ids (P,) of people in the first frame's pixels."""
        tracks = [track for track in self._tracks if track.scene == scene]
        similarities = self._similarities(poses, tracks, time)
        matched = {person: tracks[track] for person, track in zip(*assign(similarities), strict=True)}
        points = poses.keypoints.copy()
        ids = np.zeros(len(poses), np.int64)
        for k in range(len(poses)):  # best first, so that the best new person gets the lowest id
            track = matched.get(k)
            if track is None:
                track = _Track(self._next_id, poses.keypoints[k], poses.confidences[k], time, scene)
                self._tracks.append(track)
                self._next_id += 1
            else:
                track.update(poses.keypoints[k], poses.confidences[k], time, self.options.momentum)
            if self.options.smooth:
                points[k] = track.filter(poses.keypoints[k], poses.confidences[k], time, self.options.smooth)
            ids[k] = track.id
        return points, ids

    def _similarities(self, poses: Poses, tracks: Sequence[_Track], time: float) -> np.ndarray:
        """(P, T) OKS of people and predictions, weighted by both joints' confidences; 0 below the minimum."""
        if not tracks or not len(poses):
            return np.zeros((len(poses), len(tracks)))
        predicted = np.stack([track.predict(time) for track in tracks])
        slack = np.array([self.options.slack + self.options.growth * (time - track.time) for track in tracks])
        weights = poses.confidences[:, None] * np.stack([track.confidences for track in tracks]) + 1e-6
        sizes = np.maximum(tracked_sizes(poses.keypoints)[:, None], tracked_sizes(predicted)[None])
        similarities = oks(poses.keypoints[:, None], predicted[None], sizes * slack, poses.skeleton.kappas, weights)
        return np.where(similarities >= self.options.min_oks, similarities, 0.0)


@dataclass
class _Track:
    """The last pose and the motion of one person."""

    id: int
    keypoints: np.ndarray
    confidences: np.ndarray
    time: float
    scene: int
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))  # of the whole body, in pixels per second
    euro: OneEuro = field(default_factory=OneEuro)
    frames: int = 1

    def predict(self, time: float) -> np.ndarray:
        return self.keypoints + self.velocity * (time - self.time)

    def update(self, keypoints: np.ndarray, confidences: np.ndarray, time: float, momentum: float | None) -> None:
        elapsed = max(time - self.time, MIN_INTERVAL)
        if momentum is not None:
            weights = confidences * self.confidences + 1e-6
            moved = ((keypoints - self.keypoints) * weights[:, None]).sum(axis=0) / weights.sum() / elapsed
            kept = min(momentum, 1 - 1 / (self.frames + 1))  # mean of the first frames, then a moving average
            self.velocity = kept * self.velocity + (1 - kept) * moved if self.frames > 1 else moved
        self.keypoints, self.confidences, self.time = keypoints, confidences, time
        self.frames += 1

    def filter(self, points: np.ndarray, confidences: np.ndarray, time: float, options: Smoothing) -> np.ndarray:
        return self.euro(points, confidences, time, float(tracked_sizes(points)), options)


def tracked_sizes(poses: np.ndarray) -> np.ndarray:
    """Sizes (...) of bodies (..., K, 2) in pixels: the square root of a body's area, estimated from its keypoints'
    box."""
    sizes: np.ndarray = np.sqrt(BODY_SHARE) * body_sizes(poses)
    return sizes
