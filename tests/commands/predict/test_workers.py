"""Several images or frames at the same time: the same results in the same order, and how many are chosen."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.clips import dot_frames, save_clip
from helpers.fake_model import Predict
from helpers.predict_runs import Tall, photos
from votepose.commands import model_options, predict_config
from votepose.commands.predict_config import ModelOptions, PredictConfig
from votepose.io.inputs import Input
from votepose.poses import Poses


class Uneven(Tall):
    """Takes longer for every other call, and notes when each began and ended."""

    def __init__(self, spans: list[tuple[float, float]]) -> None:
        object.__setattr__(self, "spans", spans)

    def __call__(self, pixels: np.ndarray) -> Poses:
        begin = time.monotonic()
        time.sleep(0.01 + 0.03 * (len(self.spans) % 2))
        self.spans.append((begin, time.monotonic()))
        return super().__call__(pixels)


def test_the_results_do_not_depend_on_the_number_of_workers(predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    names = photos(4)
    names[2].write_bytes(b"broken")
    inputs = [*names, save_clip(Path("clip.mp4"), dot_frames(9))]
    written, together = [], []
    for workers in (1, 3):
        spans: list[tuple[float, float]] = []
        monkeypatch.setattr(model_options, "load", lambda *_, spans=spans, **__: Uneven(spans))
        status, out, err = predict(*inputs, "--workers", str(workers), "--out", f"out{workers}")
        assert (status, out[:19], err.count("\n")) == (1, "3 images, 9 frames,", 1)
        files = sorted(set(os.listdir(f"out{workers}")) - {"run.json"})
        written.append([Path(f"out{workers}", name).read_bytes() for name in files])
        together.append(max(sum(begin <= at < end for begin, end in spans) for at, _ in spans))
    assert written[0] == written[1]
    assert together[0] == 1
    assert 1 < together[1] <= 3


@pytest.mark.parametrize(
    ("options", "inputs", "expected"),
    [
        ({}, 2, (4, 2)),
        ({}, 1, (1, None)),
        ({"workers": 3}, 1, (3, None)),
        ({"workers": 20}, 2, (20, 1)),
        ({"model": ModelOptions(threads=5)}, 2, (1, 5)),
        ({"workers": 2, "model": ModelOptions(threads=5)}, 2, (2, 5)),
        ({"model": ModelOptions(device="cuda")}, 2, (1, None)),
        ({"workers": 2, "model": ModelOptions(device="cuda")}, 2, (2, None)),
    ],
)
def test_workers_and_threads_share_the_cpus(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], inputs: int, expected: tuple[int, int | None]
) -> None:
    monkeypatch.setattr(predict_config, "usable_cpus", lambda: 8)
    assert PredictConfig((), **options).parallel([Input("a.jpg", "image")] * inputs) == expected


def test_a_single_video_has_several_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict_config, "usable_cpus", lambda: 2)
    assert PredictConfig(()).parallel([Input("a.mp4", "video")]) == (2, 1)


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_no_workers_are_refused(predict: Predict, engine: str) -> None:
    (photo,) = photos(1)
    expected = (2, "", "votepose: error: --workers should be at least 1, but is 0\n")
    assert predict(photo, "--workers", "0", "--engine", engine) == expected
    assert os.listdir() == [str(photo)]
