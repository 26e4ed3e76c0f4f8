"""Compares predictions with observations: reliability bins, calibration error, accuracy of `seen`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_BINS = 10


@dataclass(frozen=True)
class Reliability:
    """N predictions in bins of equal size, in ascending order; equal predictions share a bin.

    Attributes:
        predicted, observed: (bins,) mean prediction and mean observation, in [0, 1].
        counts: (bins,) number of predictions.
    """

    predicted: np.ndarray
    observed: np.ndarray
    counts: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: the mean over predictions of their bin's |predicted - observed| (Naeini et al.,
        AAAI 2015, with bins of equal mass). NaN without predictions."""
        if not len(self.counts):
            return float("nan")
        return float(np.average(abs(self.predicted - self.observed), weights=self.counts))

    @property
    def means(self) -> tuple[float, float]:
        """Overall mean prediction and mean observation; NaN without predictions."""
        if not len(self.counts):
            return float("nan"), float("nan")
        return self._mean(self.predicted), self._mean(self.observed)

    def _mean(self, values: np.ndarray) -> float:
        return float(np.average(values, weights=self.counts))


def reliability(predicted: np.ndarray, observed: np.ndarray, bins: int = _BINS) -> Reliability:
    """Bin predictions (N,) and observations (N,), each in [0, 1], in any order."""
    starts = np.unique([part[0] for part in np.array_split(np.sort(predicted), bins) if len(part)])
    places = np.searchsorted(starts, predicted, side="right") - 1
    parts = [np.flatnonzero(places == place) for place in range(len(starts))]
    return Reliability(
        np.array([predicted[part].mean() for part in parts]),
        np.array([observed[part].mean() for part in parts]),
        np.array([len(part) for part in parts]),
    )


@dataclass(frozen=True)
class SeenAccuracy:
    """The accuracy of `seen` for visible and hidden joints; each value in [0, 1], NaN if a class is missing.

    Attributes:
        accuracy: share of correct decisions.
        balanced: mean of the shares for visible and for hidden joints.
        auc: probability that a visible joint has a higher logit than a hidden one.
    """

    accuracy: float
    balanced: float
    auc: float


def seen_accuracy(seen: np.ndarray, logits: np.ndarray, visible: np.ndarray) -> SeenAccuracy:
    """Accuracy of decisions (N,) bool and logits (N,) against the truth (N,) bool."""
    if visible.all() or not visible.any():
        return SeenAccuracy(float("nan"), float("nan"), float("nan"))
    right = seen == visible
    balanced = (right[visible].mean() + right[~visible].mean()) / 2
    hidden = np.sort(logits[~visible])
    below, upto = (np.searchsorted(hidden, logits[visible], side).mean() for side in ("left", "right"))
    return SeenAccuracy(float(right.mean()), float(balanced), float((below + upto) / 2 / len(hidden)))
