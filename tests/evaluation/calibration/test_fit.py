"""Fitting: a known distortion is undone, joints lean on each other, and what was held apart is not fitted to."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from votepose.evaluation.calibration.fit import (
    calibrated_predictions,
    cross_validated_predictions,
    fit,
    fit_curves,
    fit_seen,
)
from votepose.evaluation.calibration.reliability import reliability
from votepose.evaluation.calibration.samples import CalibrationSamples
from votepose.evaluation.coco_metrics import coco_keypoint_metrics
from votepose.models.calibration import COCO_ODDS, Calibration, Curve
from votepose.skeleton import COCO_17


def distorted(people: int = 3000, joints: int = 3, seed: int = 0) -> CalibrationSamples:
    """People whose network boasts: it says sqrt(p) where p is true of a person, and p^(1/3) of a joint."""
    rng = np.random.default_rng(seed)
    p, q = rng.beta(2, 2, (people, joints)), rng.beta(1, 2, people)
    kept, oks = (rng.random(x.shape) < x for x in (p, q))
    visible = rng.random((people, joints)) < 0.8
    logits = rng.normal(np.where(visible, 3.0, 1.0), 0.5)
    found = np.repeat((oks > 0)[:, None], joints, axis=1)
    return CalibrationSamples(
        (p ** (1 / 3)).astype(np.float32),
        logits.astype(np.float32),
        np.sqrt(q).astype(np.float32),
        kept.astype(np.float32),
        found,
        visible & found,
        oks.astype(np.float32),
        rng.integers(0, 50, people),
    )


def test_a_known_distortion_is_undone() -> None:
    samples = distorted()
    calibration = fit(samples)
    apart = distorted(seed=1)
    for shown, of in (
        (calibrated_predictions(calibration, apart), apart),
        (cross_validated_predictions(samples), samples),
    ):
        assert reliability(of.scores, of.oks).error > 0.15
        assert reliability(shown.scores, of.oks).error < 0.05  # 300 a bin: chance alone makes 0.02
        known = of.labelled
        assert reliability(of.confidences[known], of.kept[known]).error > 0.15
        assert reliability(shown.confidences[known], of.kept[known]).error < 0.03
        assert (shown.seen[known] == of.visible[known]).mean() > 0.95
    assert calibration.seen == pytest.approx(2.0, abs=0.3)
    assert calibration.people.rise == pytest.approx(2.0, abs=0.4)  # sqrt(q)^2


def test_what_is_right_already_stays() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(2, 2, (4000, 1))
    (curve,) = fit_curves(p, p, np.ones_like(p, bool))
    moved = Calibration(people=curve).of_people(torch.from_numpy(p[:, 0])).numpy()
    np.testing.assert_allclose(moved, p[:, 0], atol=0.02)


def test_a_joint_without_labels_has_the_others_curve() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(2, 2, (2000, 3))
    known = np.broadcast_to([True, True, False], p.shape)
    one, other, unknown = fit_curves(np.sqrt(p), (rng.random(p.shape) < p).astype(float), known)
    assert min(one.rise, other.rise) - 0.1 <= unknown.rise <= max(one.rise, other.rise) + 0.1
    assert unknown.rise > 1.4


def test_curves_of_next_to_nothing_are_harmless() -> None:
    for p, truth in (([[0.9]], [[0.0]]), ([[1.0]], [[1.0]]), ([[0.0]], [[1.0]])):
        (curve,) = fit_curves(np.array(p), np.array(truth), np.ones((1, 1), bool))
        assert 0 < Calibration(people=curve).of_people(torch.tensor([0.5])).item() < 1
    (curve,) = fit_curves(np.array([[0.5]]), np.array([[1.0]]), np.zeros((1, 1), bool))
    assert curve == Curve()


def test_seen_treats_the_visible_and_the_hidden_alike() -> None:
    rng = np.random.default_rng(0)
    for hidden, shown in ((2000, 2000), (200, 4000)):
        visible = np.repeat([False, True], [hidden, shown])
        logits = rng.normal(np.where(visible, 4.0, 2.0), 1.0)
        assert fit_seen(logits, visible) == pytest.approx(3.0, abs=0.15)


def test_seen_stays_where_it_is_without_both_kinds_or_a_difference() -> None:
    apart = np.repeat([False, True], 5)
    assert fit_seen(np.linspace(0, 5, 10), np.ones(10, bool)) == COCO_ODDS
    assert fit_seen(np.linspace(0, 5, 10), np.zeros(10, bool)) == COCO_ODDS
    assert fit_seen(np.zeros(10), apart) == COCO_ODDS
    for low, high in ((0.0, 5.0), (-5.0, 5.0)):
        assert fit_seen(np.where(apart, low, high), apart) == COCO_ODDS  # the wrong way round
    assert 0 < fit_seen(np.where(apart, 5.0, 0.0), apart) < 5  # wholly apart


def test_ap_does_not_depend_on_the_curve_of_people() -> None:
    rng = np.random.default_rng(0)
    images, truth, found = [], [], []
    for i in range(1, 21):
        points = rng.uniform(20, 200, (17, 2))
        images.append({"id": i, "width": 256, "height": 256})
        labelled = np.concatenate([points, np.full((17, 1), 2)], axis=1)
        truth.append({"id": i, "image_id": i, "category_id": 1, "keypoints": labelled.ravel().tolist(), "area": 9000})
        for noise in (5.0, 20.0, 60.0):
            row = np.concatenate([points + rng.normal(0, noise, points.shape), np.ones((17, 1))], axis=1).ravel()
            found.append({"image_id": i, "category_id": 1, "keypoints": row.tolist(), "score": float(rng.random())})
    data = {"images": images, "annotations": truth, "categories": [COCO_17.to_coco_category()]}
    scores = torch.tensor([entry["score"] for entry in found])
    curve = Calibration(people=Curve(1.7, 0.6, -0.8))
    moved = [entry | {"score": s} for entry, s in zip(found, curve.of_people(scores).tolist(), strict=True)]
    before = coco_keypoint_metrics(data, found)
    assert 0 < before.ap < 1
    assert coco_keypoint_metrics(data, moved) == before


def test_rows_of_samples_are_samples() -> None:
    samples = distorted(100)
    low, high = samples[samples.picture < 25], samples[samples.picture >= 25]
    assert 0 < len(low.scores) < 100
    assert low.picture.max() < 25 <= high.picture.min()
    for field in fields(CalibrationSamples):
        parts = [getattr(part, field.name) for part in (low, high)]
        order = np.argsort(samples.picture >= 25, kind="stable")
        np.testing.assert_array_equal(np.concatenate(parts), getattr(samples, field.name)[order])


def test_a_single_picture_is_enough_to_be_shown() -> None:
    samples = distorted(20)
    alone = replace(samples, picture=np.zeros(20, int))
    shown, plain = (
        cross_validated_predictions(alone),
        calibrated_predictions(Calibration(), alone),
    )  # nothing to fit to: it stays as it is
    np.testing.assert_allclose(shown.confidences, plain.confidences, atol=1e-5)
    np.testing.assert_allclose(shown.scores, plain.scores, atol=1e-5)
    np.testing.assert_array_equal(shown.seen, plain.seen)
