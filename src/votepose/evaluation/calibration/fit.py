"""Evidence -> the calibration that fits it, and how its people are shown then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from votepose.evaluation.calibration.samples import Evidence
from votepose.models.calibration import COCO_ODDS, Calibration, Curve, curved_logits

_DEPARTURE = 0.3  # standard deviation by which a joint's curve is believed to differ from all joints'
_IDENTITY = 2.0  # and by which all joints' differ from none: what little data cannot tell stays as it is


@dataclass(frozen=True)
class Answers:
    """What the user is told of the people of an `Evidence`: confidences (P, K), seen (P, K) bool, scores (P,)."""

    confidences: np.ndarray
    seen: np.ndarray
    scores: np.ndarray


def answers(calibration: Calibration, evidence: Evidence) -> Answers:
    """The evidence's people as this calibration shows them."""
    return Answers(
        calibration.of_joints(torch.from_numpy(evidence.confidences)).numpy(),
        calibration.is_seen(torch.from_numpy(evidence.logits)).numpy(),
        calibration.of_people(torch.from_numpy(evidence.scores)).numpy(),
    )


def answers_apart(evidence: Evidence, folds: int = 5) -> Answers:
    """The people of each fifth of the pictures, as a calibration fitted to the other pictures shows them: an honest
    answer to how good a calibration is."""
    shown = Answers(*(np.zeros_like(x) for x in (evidence.confidences, evidence.visible, evidence.scores)))
    for fold in range(folds):
        part = evidence.picture % folds == fold
        calibrated = answers(fit(evidence[~part]), evidence[part])
        shown.confidences[part], shown.seen[part] = calibrated.confidences, calibrated.seen
        shown.scores[part] = calibrated.scores
    return shown


def fit(evidence: Evidence) -> Calibration:
    """The calibration of least cross-entropy; of a joint that is never labelled, that of the others.

    `seen` treats the visible and the hidden alike. Which of them is more frequent is no guide: COCO leaves most hidden
    joints unlabelled.
    """
    return Calibration(
        fit_curves(evidence.confidences, evidence.kept, evidence.labelled),
        fit_curves(evidence.scores[:, None], evidence.oks[:, None], np.ones((len(evidence.scores), 1), bool))[0],
        fit_seen(evidence.logits[evidence.labelled], evidence.visible[evidence.labelled]),
    )


def fit_curves(p: np.ndarray, truth: np.ndarray, known: np.ndarray) -> tuple[Curve, ...]:
    """K curves from p (n, K) to the truth (n, K), in [0, 1], where it is `known` (n, K) bool.

    Each is a departure from one curve of all, so that a joint of which little is known leans on the others.
    """
    said, wanted, weight = (torch.from_numpy(np.asarray(x, np.float64)) for x in (p, truth, known))
    common = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    own = torch.zeros(p.shape[1], 3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([common, own], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = curved_logits(said, *_shape(common + own))
        error = (F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * weight).sum()
        total = error + (own / _DEPARTURE).square().sum() / 2 + (common / _IDENTITY).square().sum() / 2
        total.backward()
        return total

    optimizer.step(loss)
    with torch.no_grad():
        return tuple(Curve(*values) for values in torch.stack(_shape(common + own), dim=1).tolist())


def _shape(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Free numbers (K, 3) -> rise and fall, which are positive, and shift, (K,) each; zeros are the identity."""
    return values[:, 0].exp(), values[:, 1].exp(), values[:, 2]


def fit_seen(logits: np.ndarray, visible: np.ndarray) -> float:
    """The threshold on logits (n,) where a joint is as likely visible (n,) bool as hidden, were both equally frequent;
    the default where there are not both kinds, or the logits do not tell them apart.

    By logistic regression, both kinds weighing the same: less at the mercy of a few joints than the best cut is.
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
        total = (weight * error).sum() + slope.square() / 20  # kinds that lie apart would ask for an endless slope
        total.backward()
        return total

    optimizer.step(loss)
    if slope.item() <= 0:  # the wrong way round
        return COCO_ODDS
    threshold = -shift.item() / slope.item()
    return threshold if logits.min() <= threshold <= logits.max() else COCO_ODDS
