"""The Gaussian weights of heads and decoding."""

from __future__ import annotations

import torch
from torch import Tensor

_TAIL = -20.0  # logarithm of the smallest weight: CPUs are many times slower with the numbers below 1e-38


def gaussian(squared: Tensor, spread: Tensor | float) -> Tensor:
    """exp(-squared / spread), or e^-20 where that is less."""
    return torch.exp((-squared / spread).clamp(min=_TAIL))
