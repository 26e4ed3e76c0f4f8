"""Limits the number of people in each frame of a video without switching between people from frame to frame."""

from __future__ import annotations

import numpy as np

from votepose.poses import Poses

_MOMENTUM = 0.9  # of the moving average of a track's score
_LEAD = 0.1  # minimum lead in mean score for a track to replace another


class MostPeople:
    """Keeps the tracks with the best scores: `most(poses) -> Poses`, with at most `count` people.

    A track keeps its place while the tracker keeps the track, so a person who is missed for some frames or briefly has
    a slightly lower score is not replaced.

    Args:
        count: maximum number of people.
        gap: seconds for which an unseen track keeps its place.
    """

    def __init__(self, count: int, gap: float) -> None:
        self._count, self._gap = count, gap
        self._scores: dict[int, float] = {}
        self._seen: dict[int, float] = {}
        self._chosen: list[int] = []
        self._scene = 0

    def __call__(self, poses: Poses, time: float, scene: int = 0) -> Poses:
        """The selected people in a frame, in the same order.

        Args:
            poses: poses in the next frame, with `ids`.
            time: of the frame, in seconds.
            scene: number of its scene; places are not kept across scenes.
        """
        if poses.ids is None:
            return poses[: self._count]
        if scene != self._scene:
            self._scene, self._chosen = scene, []
        present = poses.ids.tolist()
        for track, score in zip(present, poses.scores.tolist(), strict=True):
            self._scores[track] = _MOMENTUM * self._scores.get(track, score) + (1 - _MOMENTUM) * score
            self._seen[track] = time
        self._forget(time)
        for track in sorted(set(present) - set(self._chosen), key=lambda k: -self._scores[k]):
            self._offer_place(track)
        chosen: Poses = poses[np.isin(poses.ids, self._chosen)]
        return chosen

    def _forget(self, time: float) -> None:
        lost = [track for track, seen in self._seen.items() if time - seen > self._gap]
        for track in lost:
            del self._seen[track], self._scores[track]
        self._chosen = [track for track in self._chosen if track in self._seen]

    def _offer_place(self, track: int) -> None:
        if len(self._chosen) < self._count:
            self._chosen.append(track)
            return
        worst = min(self._chosen, key=lambda k: self._scores[k])
        if self._scores[track] > self._scores[worst] + _LEAD:
            self._chosen[self._chosen.index(worst)] = track
