"""The inputs and results of `votepose predict`, and models that find two people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import votepose.outputs.sink
from helpers.clips import dot_centres
from helpers.fake_model import red_dot, save_jpeg
from votepose.poses import Poses
from votepose.skeleton import COCO_17, Skeleton

_BODY = np.stack([np.arange(17) % 5 * 10.0, np.arange(17) // 5 * 20.0], axis=1)  # (K, 2), 40 x 80 pixels
_BESIDE = np.array([60, 0])


@dataclass(frozen=True)
class _Model:
    """What every model has besides its answers."""

    skeleton: Skeleton = COCO_17
    input_size: int = 96
    presence_threshold: float = 0.5
    flip_test: bool = False
    score_threshold: float = 0.3

    def cancel(self) -> None:
        """There is nothing to end."""


class Tall(_Model):
    """Finds a body of 40 x 80 pixels at the red dot, and another beside it, both shaken a little."""

    def __call__(self, pixels: np.ndarray) -> Poses:
        random = np.random.default_rng(int(pixels.sum()))
        body = _BODY + dot_centres(pixels)
        points = np.stack([body, body + _BESIDE]) + random.normal(0, 0.5, (2, 17, 2))
        sure = np.ones((2, 17))
        order = random.permutation(2)  # who is first is no sign of who it is
        return Poses(points[order], sure, sure, np.array([0.9, 0.8]), image_size=pixels.shape[1::-1])


class Walker(_Model):
    """Two bodies of 40 x 80 pixels; their left knees are bent by 90 degrees, their right ankles are not seen."""

    def __call__(self, pixels: np.ndarray) -> Poses:
        body = _BODY.copy()
        body[[11, 13, 15]] = (0, 40), (0, 60), (20, 60)  # left hip, knee, ankle
        points = np.stack([body, body + _BESIDE]) + dot_centres(pixels) - np.array([20, 40])
        sure, seen = np.ones((2, 17)), np.ones((2, 17), bool)
        seen[:, 16] = False
        return Poses(points, sure, seen, np.array([0.9, 0.7]), image_size=pixels.shape[1::-1])


def stop_at_drawing(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt the run, as Ctrl-C does, when it draws for the `count`-th time."""
    real, drawn = votepose.outputs.sink.draw, []

    def stopping(*args: object) -> object:
        drawn.append(1)
        if len(drawn) == count:
            raise KeyboardInterrupt
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(votepose.outputs.sink, "draw", stopping)


def records(out: str = "out") -> list[dict]:
    return [json.loads(line) for line in Path(out, "poses.jsonl").read_text().splitlines()]


def photos(count: int) -> list[Path]:
    return [save_jpeg(Path(f"{k}.jpg"), red_dot(96, 64, 30, 20, 16)) for k in range(count)]
