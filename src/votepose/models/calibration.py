"""Confidences that mean what they say: increasing curves from raw outputs to observed frequencies.

They are part of the estimator and of the exported graph. `votepose calibrate` fits them to images held apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

COCO_ODDS = 2.0  # log of visible to hidden joints that COCO labels
_LEAST = 1e-6  # a confidence nearer than this to 0 or 1 is taken as this near: logarithms end there


@dataclass(frozen=True)
class Curve:
    """p -> sigmoid(rise log p - fall log(1 - p) + shift), strictly increasing in (0, 1); by default p -> p.

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
            raise ValueError(f"a calibration curve is of three finite numbers, not of {values}")
        if self.rise <= 0 or self.fall <= 0:
            raise ValueError(f"a calibration curve should rise, but has rise {self.rise} and fall {self.fall}")


@dataclass(frozen=True)
class Calibration:
    """The curves between the network's raw outputs and the reported values; by default the identity.

    Attributes:
        joints: a curve for each of the K joints, or none: to the share of OKS that the joint is expected to keep.
        people: to the OKS that the pose is expected to have with a real person; it keeps the order of scores, so AP
            does not depend on it.
        seen: logit of visibility over which a joint is called seen. COCO labels seven visible joints for a hidden one:
            a network trained on it predicts 2 where the image is evidence for neither.

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
        """(..., K) confidences of joints, calibrated."""
        return curved(confidences, self.joints) if self.joints else confidences

    def of_people(self, scores: Tensor) -> Tensor:
        """(P,) scores of people, calibrated."""
        return scores if self.people == Curve() else curved(scores[:, None], (self.people,))[:, 0]

    def is_seen(self, logits: Tensor) -> Tensor:
        """(...) bool from logits of visibility."""
        return logits > self.seen

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; `from_dict` reads it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None, keypoints: int) -> Calibration:
        """The inverse of `to_dict`; None, as in files that know of none, is no calibration.

        Raises:
            ValueError: if the values are not a calibration of so many keypoints.
        """
        if values is None:
            return cls()
        try:
            joints = tuple(Curve(**curve) for curve in values["joints"])
            calibration = cls(joints, Curve(**values["people"]), values["seen"])
        except (TypeError, KeyError, AttributeError):
            raise ValueError("a calibration holds curves of joints and people, and a threshold of seen") from None
        if len(joints) not in (0, keypoints):
            raise ValueError(f"a calibration of {len(joints)} joints, where there are {keypoints}")
        return calibration


def curved(p: Tensor, curves: tuple[Curve, ...]) -> Tensor:
    """(..., K) in [0, 1] through K curves."""
    values = torch.tensor([[c.rise, c.fall, c.shift] for c in curves], dtype=p.dtype, device=p.device)
    return curved_logits(p, values[:, 0], values[:, 1], values[:, 2]).sigmoid()


def curved_logits(p: Tensor, rise: Tensor, fall: Tensor, shift: Tensor) -> Tensor:
    """(..., K) in [0, 1] through curves of these numbers, (K,) each, but for the sigmoid at the end."""
    p = p.clamp(_LEAST, 1 - _LEAST)
    return rise * p.log() - fall * (1 - p).log() + shift
