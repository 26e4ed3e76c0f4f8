"""Smoothing: steady at rest, quick in motion, and the unsure moves less."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from votepose.video.one_euro import OneEuro, Smoothing

RATE = 30.0
PAPER = Smoothing(min_confidence=1.0)


def smoothed(points: np.ndarray, confidences: np.ndarray | None = None, options: Smoothing = PAPER) -> np.ndarray:
    """The filter's answers (T, K, 2) to measurements (T, K, 2) of a body of 100 pixels."""
    euro = OneEuro()
    sure = np.ones(points.shape[:2]) if confidences is None else confidences
    return np.stack([euro(p, c, k / RATE, 100.0, options) for k, (p, c) in enumerate(zip(points, sure, strict=True))])


def test_it_is_the_published_filter() -> None:
    def alpha(cutoff: float) -> float:  # Casiez et al., 2012, algorithm 1, for one number
        return 1 / (1 + RATE / (2 * np.pi * cutoff))

    values = np.random.default_rng(0).normal(0, 5, 40).cumsum()
    hat, speed, expected = values[0], 0.0, [values[0]]
    for value in values[1:]:
        speed += alpha(PAPER.speed_cutoff) * ((value - hat) * RATE - speed)
        hat += alpha(PAPER.min_cutoff + PAPER.beta * abs(speed) / 100) * (value - hat)
        expected.append(hat)
    found = smoothed(np.stack([values, np.zeros(40)], axis=1)[:, None])
    np.testing.assert_allclose(found[:, 0, 0], expected)


def test_what_rests_rests_and_what_shakes_shakes_less() -> None:
    still = np.full((60, 3, 2), 7.0)
    np.testing.assert_array_equal(smoothed(still), still)
    shaking = still + np.random.default_rng(0).normal(0, 1, still.shape)
    assert smoothed(shaking)[20:].std() < 0.5 * shaking[20:].std()


def test_higher_beta_lags_less() -> None:
    moving = np.arange(60)[:, None, None] * np.array([8.0, 0.0])
    lags = [(moving - smoothed(moving, options=replace(PAPER, beta=beta)))[-1, 0, 0] for beta in (0.0, 2.0, 20.0)]
    assert lags[0] > 2 * lags[1] > 4 * lags[2] > 0


def test_the_unsure_moves_less_but_moves() -> None:
    step = np.zeros((2, 4, 2))
    step[1] = 10
    confidences = np.tile([1.0, 0.6, 0.3, 0.0], (2, 1))
    moved = smoothed(step, confidences, Smoothing(min_confidence=0.1))[1, :, 0]
    assert (np.diff(moved) < 0).all()
    assert moved[-1] > 0
    np.testing.assert_allclose(smoothed(step, confidences, PAPER)[1, :, 0], moved[0])


def test_after_a_long_time_the_old_place_counts_for_nothing() -> None:
    euro = OneEuro()
    euro(np.zeros((1, 2)), np.ones(1), 0.0, 100.0, PAPER)
    assert euro(np.full((1, 2), 50.0), np.ones(1), 60.0, 100.0, PAPER) == pytest.approx(50, rel=0.01)


def test_repeated_time_stamps_do_no_harm() -> None:
    euro = OneEuro()
    for point in (0.0, 1.0, 2.0):
        assert np.isfinite(euro(np.full((1, 2), point), np.ones(1), 5.0, 1.0, PAPER)).all()
