"""How training pictures are changed at random."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AugmentConfig:
    """Ranges of change.

    Attributes:
        scale: least and greatest zoom, relative to the picture just fitting the input; drawn log-uniformly.
        rotation: degrees at most, in a share `rotated` of pictures.
        flip: share that is mirrored.
        colour: strength of the change of brightness, contrast, saturation.
        grey, blur: shares that lose their colour, or their sharpness.
        mosaic: share of inputs that are four pictures.
        occluder: share of inputs with a coloured patch in front of something; its joints are then hidden.
    """

    scale: tuple[float, float] = (0.6, 1.8)
    rotation: float = 30.0
    rotated: float = 0.5
    flip: float = 0.5
    colour: float = 0.25
    grey: float = 0.05
    blur: float = 0.08
    mosaic: float = 0.2
    occluder: float = 0.0


NONE = AugmentConfig((1.0, 1.0), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
