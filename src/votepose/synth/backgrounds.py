"""Backgrounds from any folder of images without people, in linear-light RGB."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from votepose.errors import VoteposeError
from votepose.synth.background_files import UNUSABLE, Place, find_places
from votepose.synth.colour import srgb_to_linear
from votepose.synth.scenery.scene import procedural

__all__ = ["Backgrounds", "procedural"]

_KEPT = 32  # number of decoded images in memory: less than 100 MB
_ENLARGED = 2.0  # maximum factor; more only adds blur


@dataclass(frozen=True)
class Backgrounds:
    """Images without people to crop backgrounds from. Can be pickled and shared between threads.

    Attributes:
        places: locations of the usable images.
        left_out: one line for each image or zip that was left out, with the reason.
    """

    places: tuple[Place, ...]
    left_out: tuple[str, ...] = ()
    _decoded: dict[Place, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_folder(cls, folder: Path | str) -> Backgrounds:
        """The images in a folder, its subfolders and its images-*.zip. Each is decoded once as a check.

        Where an annotations.json (COCO's format) lists people in an image, the image is left out.

        Raises:
            VoteposeError: if the folder is missing or has no usable image, or its annotations.json is not JSON.
        """
        places, left_out = find_places(Path(folder))
        return cls(tuple(places), tuple(left_out))

    def __len__(self) -> int:
        return len(self.places)

    def sample(self, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """A random part of a random image: (H, W, 3) float32 linear RGB, 0 to a little over 1.

        The aspect ratio is kept. The part is enlarged by 2 at most; a smaller image is padded by mirroring. It may be
        flipped, brightened, tinted and blurred. The same `rng` state gives the same part.

        Args:
            size: (width, height), in pixels.

        Raises:
            ValueError: if a side is not positive.
            VoteposeError: if the image was removed or damaged after it was found.
        """
        if min(size) < 1:
            raise ValueError(f"a background of {size[0]}x{size[1]} pixels: both sides must be positive")
        image = _crop(self._read(self.places[rng.integers(len(self.places))]), size, rng)
        if rng.random() < 0.5:
            image = image[:, ::-1]
        light = srgb_to_linear(image)
        gains = np.exp2(rng.normal(0, 0.4) + rng.normal(0, 0.1, 3))
        saturation = rng.uniform(0.5, 1.3) if rng.random() < 0.4 else 1.0
        grey = np.tile([0.2126, 0.7152, 0.0722], (3, 1)) * (1 - saturation)
        light = cv2.transform(light, ((np.eye(3) * saturation + grey) * gains[:, None]).astype(np.float32))
        if rng.random() < 0.25:
            light = cv2.GaussianBlur(light, (0, 0), max(size) / 320 * rng.uniform(0.5, 3))
        return np.clip(light, 0, 1.5)

    def _read(self, place: Place) -> np.ndarray:
        image = self._decoded.get(place)
        if image is None:
            try:
                image = place.read()
            except UNUSABLE as error:
                raise VoteposeError(f"{place}: can no longer be read ({error})") from None
            for oldest in list(self._decoded)[: max(0, len(self._decoded) - _KEPT + 1)]:
                self._decoded.pop(oldest, None)
            self._decoded[place] = image
        return image


def _crop(image: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A random part of an image, resized to `size` (width, height); uint8."""
    height, width = image.shape[:2]
    least = max(size[0] / width, size[1] / height)
    scale = min(_ENLARGED, least * math.exp(rng.uniform(0, math.log(2.5))))
    wanted = [max(1, round(side / scale)) for side in size]
    left, top = (int(rng.integers(max(0, have - want) + 1)) for have, want in zip((width, height), wanted, strict=True))
    part = image[top : top + wanted[1], left : left + wanted[0]]
    right, below = wanted[0] - part.shape[1], wanted[1] - part.shape[0]
    if right > 0 or below > 0:
        part = cv2.copyMakeBorder(
            part, below // 2, below - below // 2, right // 2, right - right // 2, cv2.BORDER_REFLECT
        )
    return cv2.resize(part, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
