"""Calibration of confidences: increasing curves from raw outputs to observed frequencies.

They are part of the estimator and of the exported graph. `votepose calibrate` fits them to held-out images.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

COCO_ODDS = 2.0  # log ratio of visible to hidden joints among COCO's labels
_LEAST = 1e-6  # confidences are clipped to this distance from 0 and 1, for the logarithms


@dataclass(frozen=True)
class Curve:
    """p -> sigmoid(rise log p - fall log(1 - p) + shift), strictly increasing in (0, 1); the default is the identity.

    Beta calibration (Kull, Silva Filho and Flach, AISTATS 2017); with rise = fall it is Platt scaling of p's logit.

    Raises:
        ValueError: unless rise and fall are positive and all are finite.
    """

    rise: float = 1.0
    fall: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        values = (self.rise, self.fall, self.shift)
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
            raise ValueError(f"a calibration curve should be three finite numbers, not {values}")
        if self.rise <= 0 or self.fall <= 0:
            raise ValueError(f"a calibration curve should rise, but has rise {self.rise} and fall {self.fall}")


@dataclass(frozen=True)
class Calibration:
    """The curves from the network's raw outputs to the reported values; the default is the identity.

    Attributes:
        joints: a curve for each of the K joints, or none, to the expected OKS of the joint.
        people: the curve to the expected OKS of the pose with a real person; it keeps the order of scores, and so AP.
        seen: minimum visibility logit of a seen joint. COCO labels seven visible joints per hidden joint, so a network
            trained on it predicts 2 without evidence for either.

    Raises:
        ValueError: if `seen` is not finite.
    """

    joints: tuple[Curve, ...] = ()
    people: Curve = Curve()
    seen: float = COCO_ODDS

    def __post_init__(self) -> None:
        if not isinstance(self.seen, int | float) or not math.isfinite(self.seen):
            raise ValueError(f"the threshold of seen joints should be a finite number, not {self.seen!r}")

    def of_joints(self, confidences: Tensor) -> Tensor:
        """Calibrate joint confidences (..., K)."""
        return curved(confidences, self.joints) if self.joints else confidences

    def of_people(self, scores: Tensor) -> Tensor:
        """Calibrate scores of people (P,)."""
        return scores if self.people == Curve() else curved(scores[:, None], (self.people,))[:, 0]

    def is_seen(self, logits: Tensor) -> Tensor:
        """(...) bool, from visibility logits."""
        return logits > self.seen

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able dict, which `from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None, keypoints: int) -> Calibration:
        """The inverse of `to_dict`; None, as in files without a calibration, is the identity.

        Raises:
            ValueError: if the values are not a calibration of this number of keypoints.
        """
        if values is None:
            return cls()
        try:
            joints = tuple(Curve(**curve) for curve in values["joints"])
            calibration = cls(joints, Curve(**values["people"]), values["seen"])
        except (TypeError, KeyError, AttributeError):
            raise ValueError("a calibration needs curves for joints and people, and a threshold for seen") from None
        if len(joints) not in (0, keypoints):
            raise ValueError(f"a calibration of {len(joints)} joints instead of {keypoints}")
        return calibration


def curved(p: Tensor, curves: tuple[Curve, ...]) -> Tensor:
    """Apply K curves to values (..., K) in [0, 1]."""
    values = torch.tensor([[c.rise, c.fall, c.shift] for c in curves], dtype=p.dtype, device=p.device)
    return curved_logits(p, values[:, 0], values[:, 1], values[:, 2]).sigmoid()


def curved_logits(p: Tensor, rise: Tensor, fall: Tensor, shift: Tensor) -> Tensor:
    """Logits of the curves with these parameters, (K,) each, at values (..., K) in [0, 1]: without the final
    sigmoid."""
    p = p.clamp(_LEAST, 1 - _LEAST)
    return rise * p.log() - fall * (1 - p).log() + shift
