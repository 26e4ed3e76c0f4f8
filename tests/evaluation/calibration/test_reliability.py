"""Reliability: promises that are kept have no error, bins hold equally many, and the plot shows every bin."""

from __future__ import annotations

import math

import numpy as np
import pytest

from votepose.evaluation.calibration.reliability import reliability, seen_accuracy


def test_kept_promises_have_no_error_and_boasts_have() -> None:
    predicted = np.random.default_rng(0).random(20_000)
    observed = (np.random.default_rng(1).random(20_000) < predicted).astype(float)
    assert reliability(predicted, observed).error < 0.015
    assert reliability(predicted, observed * 0).error == pytest.approx(predicted.mean())
    assert reliability(np.full(10, 0.7), np.full(10, 0.4)).error == pytest.approx(0.3)


def test_bins_hold_equally_many_and_rise() -> None:
    found = reliability(np.random.default_rng(0).random(103) ** 5, np.ones(103))
    assert set(found.counts.tolist()) == {10, 11}
    assert found.counts.sum() == 103
    assert (np.diff(found.predicted) > 0).all()
    assert found.means == pytest.approx((np.average(found.predicted, weights=found.counts), 1.0))


def test_equal_predictions_share_a_bin_so_their_order_does_not_matter() -> None:
    predicted, observed = np.repeat([0.2, 0.7], [10, 90]), np.repeat([0.0, 1.0, 0.0], [10, 63, 27])
    found = reliability(predicted, observed)
    assert found.counts.tolist() == [10, 90]
    assert found.error == pytest.approx(0.02)  # all in the ten, who were predicted to be 0.2
    order = np.random.default_rng(0).permutation(100)
    assert reliability(predicted[order], observed[order]).error == pytest.approx(found.error)


def test_few_and_none() -> None:
    assert reliability(np.array([0.2, 0.4]), np.array([0.0, 1.0])).counts.tolist() == [1, 1]
    assert math.isnan(reliability(np.zeros(0), np.zeros(0)).error)
    assert all(map(math.isnan, reliability(np.zeros(0), np.zeros(0)).means))


def test_seen_accuracy() -> None:
    visible, logits = np.array([True, True, True, False]), np.array([3.0, 2.0, 0.0, 1.0])
    measured = seen_accuracy(logits > 1.5, logits, visible)
    assert measured.accuracy == pytest.approx(0.75)
    assert measured.balanced == pytest.approx((2 / 3 + 1) / 2)
    assert measured.auc == pytest.approx(2 / 3)
    assert seen_accuracy(visible, np.zeros(4), visible).auc == pytest.approx(0.5)
    assert math.isnan(seen_accuracy(visible, logits, np.ones(4, bool)).auc)
