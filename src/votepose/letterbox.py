"""Converts between image pixels, network input and map cells. The pixel convention is defined only here.

Coordinates are continuous: pixel i covers [i, i + 1), so an image of width w spans [0, w) and the centre of its first
pixel is at 0.5. COCO's keypoint coordinates are read this way too. Cell (row, column) of a map of stride s covers the
input pixels [s column, s (column + 1)); its centre is (column + 0.5, row + 0.5) in map coordinates. x comes before y.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from votepose.errors import VoteposeError

MULTIPLE = 32  # the backbones' largest stride, which divides every side of a network input
FILL = 114  # grey of the padding


def require_input_size(size: int) -> None:
    """Raise VoteposeError unless `size` is a valid longest side of a network input, in pixels."""
    if not isinstance(size, int | np.integer) or size < MULTIPLE or size % MULTIPLE:
        raise VoteposeError(f"the input size should be a positive multiple of {MULTIPLE}, but is {size!r}")


@dataclass(frozen=True)
class Letterbox:
    """An image scaled, keeping its aspect ratio, into the top left corner of a padded input.

    Attributes:
        width, height: size of the image, in pixels.
        input_width, input_height: size of the network input, in pixels; multiples of 32.
        scale: input pixels per image pixel, before rounding to whole pixels.
    """

    width: int
    height: int
    input_width: int
    input_height: int
    scale: float

    @classmethod
    def fit(cls, width: int, height: int, size: int, square: bool = False) -> Letterbox:
        """The letterbox whose longest side is `size`; the other is as short as possible, unless `square`.

        Raises:
            ValueError: if a length is not positive or `size` is not a multiple of 32.
        """
        if min(width, height, size) < 1 or size % MULTIPLE:
            raise ValueError(f"cannot fit {width}x{height} into {size}: it must be a positive multiple of {MULTIPLE}")
        scale = size / max(width, height)
        if square:
            return cls(width, height, size, size, scale)
        sides = (max(MULTIPLE, math.ceil(round(v * scale, 3) / MULTIPLE) * MULTIPLE) for v in (width, height))
        input_width, input_height = sides
        return cls(width, height, input_width, input_height, scale)

    @property
    def resized(self) -> tuple[int, int]:
        """(width, height) of the scaled image, in whole pixels, so the scales of the two sides differ slightly."""
        return max(1, round(self.width * self.scale)), max(1, round(self.height * self.scale))

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Image (height, width, 3) uint8 RGB -> input (input_height, input_width, 3) uint8."""
        width, height = self.resized
        pixels = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0)
        padded = np.full((self.input_height, self.input_width, 3), FILL, dtype=np.uint8)
        padded[:height, :width] = np.asarray(pixels)
        return padded

    def to_map(self, points: np.ndarray, stride: float) -> np.ndarray:
        """Image pixels (..., 2) -> map coordinates of a map with `stride` input pixels per cell."""
        return points * (self._scales / np.float32(stride))

    def to_image(self, points: np.ndarray, stride: float) -> np.ndarray:
        """Map coordinates (..., 2) -> image pixels; the inverse of `to_map`."""
        return points * (np.float32(stride) / self._scales)

    @property
    def _scales(self) -> np.ndarray:
        return np.array(self.resized, np.float32) / np.array([self.width, self.height], np.float32)
