"""The options of training-time augmentation."""

from __future__ import annotations

import math
from dataclasses import dataclass

from votepose.errors import VoteposeError


@dataclass(frozen=True)
class AugmentConfig:
    """Random augmentation of the training images."""

    scale: tuple[float, float] = (0.6, 1.8)
    """Smallest and largest zoom, relative to an image that just fits the input; sampled log-uniformly."""
    rotation: float = 30.0
    """Maximum rotation in degrees."""
    rotated: float = 0.5
    """Share of images that are rotated, in [0, 1]."""
    flip: float = 0.5
    """Share of images that are mirrored, in [0, 1]."""
    colour: float = 0.25
    """Strength of changes to brightness, contrast and white balance."""
    grey: float = 0.05
    """Share of inputs that are turned grey, in [0, 1]."""
    blur: float = 0.08
    """Share of inputs that are blurred, in [0, 1]."""
    mosaic: float = 0.2
    """Share of inputs that are mosaics of four images, in [0, 1]."""
    occluder: float = 0.0
    """Share of inputs with a coloured patch in front of people, in [0, 1]; joints behind it count as hidden."""

    def check(self) -> None:
        """Raise VoteposeError if an option is out of range."""
        low, high = self.scale
        if not 0 < low <= high < math.inf:
            raise VoteposeError(f"--scale should be two numbers above 0, the smaller first, but is {low:g} {high:g}")
        if not 0 <= self.rotation <= 180:
            raise VoteposeError(f"--rotation should be in [0, 180] degrees, but is {self.rotation:g}")
        if not 0 <= self.colour < math.inf:
            raise VoteposeError(f"--colour should be at least 0, but is {self.colour:g}")
        for name in ("rotated", "flip", "grey", "blur", "mosaic", "occluder"):
            if not 0 <= getattr(self, name) <= 1:
                raise VoteposeError(f"--{name} should be in [0, 1], but is {getattr(self, name):g}")


NONE = AugmentConfig((1.0, 1.0), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
