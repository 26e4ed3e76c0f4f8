"""The Gaussian weights of heads and decoding."""

from __future__ import annotations

import torch
from torch import Tensor

_TAIL = -20.0  # logarithm of the smallest weight, since CPUs are many times slower with denormal numbers


def gaussian(squared: Tensor, spread: Tensor | float) -> Tensor:
    """exp(-squared / spread), but at least e^-20."""
    return torch.exp((-squared / spread).clamp(min=_TAIL))
