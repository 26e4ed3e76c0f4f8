"""Fits a calibration to samples, and computes calibrated predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from votepose.evaluation.calibration.samples import CalibrationSamples
from votepose.models.calibration import COCO_ODDS, Calibration, Curve, curved_logits

_JOINT_PRIOR = 0.3  # standard deviation of a joint's curve around the shared curve
_IDENTITY_PRIOR = 2.0  # standard deviation of the shared curve around the identity, for small data sets


@dataclass(frozen=True)
class CalibratedPredictions:
    """Predictions for the people in `CalibrationSamples`: confidences (P, K), seen (P, K) bool, scores (P,)."""

    confidences: np.ndarray
    seen: np.ndarray
    scores: np.ndarray


def calibrated_predictions(calibration: Calibration, samples: CalibrationSamples) -> CalibratedPredictions:
    """The samples' predictions under this calibration."""
    return CalibratedPredictions(
        calibration.of_joints(torch.from_numpy(samples.confidences)).numpy(),
        calibration.is_seen(torch.from_numpy(samples.logits)).numpy(),
        calibration.of_people(torch.from_numpy(samples.scores)).numpy(),
    )


def cross_validated_predictions(samples: CalibrationSamples, folds: int = 5) -> CalibratedPredictions:
    """The samples' predictions; each fold of images uses a calibration fitted to the other folds."""
    arrays = (samples.confidences, samples.visible, samples.scores)
    predictions = CalibratedPredictions(*(np.zeros_like(array) for array in arrays))
    for fold in range(folds):
        held_out = samples.picture % folds == fold
        calibrated = calibrated_predictions(fit(samples[~held_out]), samples[held_out])
        predictions.confidences[held_out], predictions.seen[held_out] = calibrated.confidences, calibrated.seen
        predictions.scores[held_out] = calibrated.scores
    return predictions


def fit(samples: CalibrationSamples) -> Calibration:
    """The calibration with minimum cross-entropy; a joint that is never labelled gets the shared curve.

    `seen` weights visible and hidden joints equally, since COCO leaves most hidden joints unlabelled.
    """
    return Calibration(
        fit_curves(samples.confidences, samples.kept, samples.labelled),
        fit_curves(samples.scores[:, None], samples.oks[:, None], np.ones((len(samples.scores), 1), bool))[0],
        fit_seen(samples.logits[samples.labelled], samples.visible[samples.labelled]),
    )


def fit_curves(predicted: np.ndarray, observed: np.ndarray, known: np.ndarray) -> tuple[Curve, ...]:
    """Fit K curves from predictions (n, K) to observations (n, K), in [0, 1], where these are `known` (n, K) bool.

    The curve family is beta calibration (Kull, Silva Filho and Flach, AISTATS 2017). Each curve is a deviation from a
    shared curve, so that joints with few labels stay close to the others.
    """
    p, target, weight = (torch.from_numpy(np.asarray(x, np.float64)) for x in (predicted, observed, known))
    shared = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    own = torch.zeros(p.shape[1], 3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([shared, own], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = curved_logits(p, *_shape(shared + own))
        error = (F.binary_cross_entropy_with_logits(logits, target, reduction="none") * weight).sum()
        total = error + (own / _JOINT_PRIOR).square().sum() / 2 + (shared / _IDENTITY_PRIOR).square().sum() / 2
        total.backward()
        return total

    optimizer.step(loss)
    with torch.no_grad():
        return tuple(Curve(*values) for values in torch.stack(_shape(shared + own), dim=1).tolist())


def _shape(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Unconstrained parameters (K, 3) -> positive rise and fall, and shift, (K,) each; zeros give the identity."""
    return values[:, 0].exp(), values[:, 1].exp(), values[:, 2]


def fit_seen(logits: np.ndarray, visible: np.ndarray) -> float:
    """The threshold on logits (n,) at which visible (n,) bool and hidden joints are equally likely, if equally
    frequent.

    Uses logistic regression with equal class weights, which is more robust than the threshold of best accuracy. Returns
    the default if a class is missing or the logits do not separate the classes.
    """
    if visible.all() or not visible.any():
        return COCO_ODDS
    x, y = torch.from_numpy(logits.astype(np.float64)), torch.from_numpy(visible.astype(np.float64))
    weight = torch.where(y > 0, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    slope, shift = (torch.zeros((), dtype=torch.float64, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.LBFGS([slope, shift], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        error = F.binary_cross_entropy_with_logits(slope * x + shift, y, reduction="none")
        total = (weight * error).sum() + slope.square() / 20  # bounds the slope for separable classes
        total.backward()
        return total

    optimizer.step(loss)
    if slope.item() <= 0:  # higher logits would mean hidden joints
        return COCO_ODDS
    threshold = -shift.item() / slope.item()
    return threshold if logits.min() <= threshold <= logits.max() else COCO_ODDS
