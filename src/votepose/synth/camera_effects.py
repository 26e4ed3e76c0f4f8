"""Simulates a camera: optics, sensor, tone and colour processing, JPEG compression.

No effect shifts the image: every blur is symmetric about its pixel, so keypoints stay exact.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from votepose.errors import VoteposeError
from votepose.synth.colour import linear_to_srgb, luminance
from votepose.synth.kernels import disc, stroke

_MID_GREY = 0.18  # the mean luminance that a light meter aims at


@dataclass(frozen=True)
class Chance:
    """An effect on a share of the images, with a strength drawn uniformly from [low, high].

    Raises:
        VoteposeError: if the share is not in [0, 1], or `low` is above `high`.
    """

    share: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (0 <= self.share <= 1 and -math.inf < self.low <= self.high < math.inf):
            raise VoteposeError(f"{self}: not a valid effect; give a share in [0, 1] and a range from low to high")

    def draw(self, rng: np.random.Generator) -> float | None:
        """The strength, or None. It draws as many numbers from `rng` either way, so that effects are independent."""
        happens, strength = rng.random(2)
        return self.low + (self.high - self.low) * float(strength) if happens < self.share else None


@dataclass(frozen=True)
class CameraEffects:
    """The effects, in the order of application. Lengths are in image pixels.

    Attributes:
        motion_blur: length of a straight stroke, in pixels; its direction is uniform.
        defocus: radius of the blur disc, in pixels.
        vignetting: share of the light lost in the corners.
        metering: how far the camera moves the mean luminance to mid grey, in stops: 0 not at all, 1 completely.
        exposure: stops above or below the metered exposure.
        warmth: stops of red gained and of blue lost. tint: stops of green gained.
        full_well: log10 of the electrons of a white pixel: fewer make more shot noise.
        read_noise: standard deviation, in thousandths of white.
        shoulder: share of white from which highlights are compressed rather than clipped.
        contrast: slope of the sRGB tone curve about mid grey. fade: sRGB value of black, in [0, 1].
        saturation: 0 grey, 1 unchanged. grey: the same for images without colour (0 to 0).
        rescale: factor by which the image is shrunk before it is enlarged to its size again.
        sharpen: amount of an unsharp mask of 1 pixel.
        jpeg: quality of the file, 1 to 95. subsampled: share of those files with chroma subsampling.
    """

    motion_blur: Chance = Chance(0.12, 1.5, 8.0)
    defocus: Chance = Chance(0.25, 0.5, 2.0)
    vignetting: Chance = Chance(0.35, 0.05, 0.5)
    metering: Chance = Chance(0.8, 0.3, 0.8)
    exposure: Chance = Chance(1.0, -0.9, 0.8)
    warmth: Chance = Chance(0.7, -0.22, 0.28)
    tint: Chance = Chance(0.5, -0.08, 0.08)
    full_well: Chance = Chance(0.75, 2.7, 4.5)
    read_noise: Chance = Chance(0.75, 0.3, 8.0)
    shoulder: Chance = Chance(0.6, 0.6, 0.9)
    contrast: Chance = Chance(0.7, 0.8, 1.35)
    fade: Chance = Chance(0.15, 0.01, 0.1)
    saturation: Chance = Chance(0.7, 0.6, 1.45)
    grey: Chance = Chance(0.04, 0.0, 0.0)
    rescale: Chance = Chance(0.2, 1.2, 2.2)
    sharpen: Chance = Chance(0.3, 0.2, 1.0)
    jpeg: Chance = Chance(0.9, 30.0, 95.0)
    subsampled: float = 0.8


def photograph(image: np.ndarray, rng: np.random.Generator, config: CameraEffects | None = None) -> np.ndarray:
    """Photograph a scene: (H, W, 3) float32 linear RGB, white at 1 -> (H, W, 3) uint8 sRGB.

    The same `rng` state gives the same image. The input array is not changed.
    """
    config = config or CameraEffects()
    light = np.ascontiguousarray(image, np.float32)
    light = _optics(light, rng, config)
    light = _sensor(light * _gains(light, rng, config), rng, config)
    picture = _developed(light, rng, config)
    picture = _resampled(picture, rng, config)
    pixels = cv2.convertScaleAbs(np.clip(picture, 0, 1), alpha=255)
    return _stored(pixels, rng, config)


def _optics(light: np.ndarray, rng: np.random.Generator, config: CameraEffects) -> np.ndarray:
    angle = rng.uniform(0, math.pi)
    if (length := config.motion_blur.draw(rng)) is not None:
        light = cv2.filter2D(light, -1, stroke(length, angle), borderType=cv2.BORDER_REFLECT)
    if (radius := config.defocus.draw(rng)) is not None:
        light = cv2.filter2D(light, -1, disc(radius), borderType=cv2.BORDER_REFLECT)
    if (loss := config.vignetting.draw(rng)) is not None:
        height, width = light.shape[:2]
        x = ((np.arange(width, dtype=np.float32) + 0.5) / width * 2 - 1) ** 2
        y = ((np.arange(height, dtype=np.float32) + 0.5) / height * 2 - 1) ** 2
        # first Taylor term of the cosine-fourth law, scaled to the loss in the corners
        share = (1 - np.float32(loss) * (x + y[:, None]) / 2).astype(np.float32)
        light = light * cv2.merge([share] * 3)
    return light


def _gains(light: np.ndarray, rng: np.random.Generator, config: CameraEffects) -> np.ndarray:
    """(3,) factors of red, green and blue: metering, exposure, white balance."""
    metering, exposure, warmth, tint = (
        chance.draw(rng) or 0.0 for chance in (config.metering, config.exposure, config.warmth, config.tint)
    )
    mean = max(float(luminance(light).mean()), 1e-3)
    stops = exposure + metering * math.log2(_MID_GREY / mean)
    return np.exp2(np.array([stops + warmth, stops + tint, stops - warmth])).astype(np.float32)


def _sensor(light: np.ndarray, rng: np.random.Generator, config: CameraEffects) -> np.ndarray:
    """Shot noise, whose variance is proportional to the light, and read noise, both as normal distributions."""
    full_well, read = config.full_well.draw(rng), config.read_noise.draw(rng)
    if full_well is None and read is None:
        return light
    shot = 0.0 if full_well is None else 10**-full_well
    spread = np.sqrt(np.maximum(light, 0) * np.float32(shot) + np.float32(((read or 0.0) / 1000) ** 2))
    return light + spread * rng.standard_normal(light.shape, np.float32)


def _developed(light: np.ndarray, rng: np.random.Generator, config: CameraEffects) -> np.ndarray:
    """Linear light -> sRGB in about [0, 1]: highlights, tone curve, colour."""
    if (knee := config.shoulder.draw(rng)) is not None and knee < 1:
        over = np.maximum(light - np.float32(knee), 0)
        light = np.minimum(light, np.float32(knee)) + over / (1 + over / np.float32(1 - knee))
    picture = linear_to_srgb(np.clip(light, 0, 1))
    contrast, fade, saturation, grey = (
        chance.draw(rng) for chance in (config.contrast, config.fade, config.saturation, config.grey)
    )
    if contrast is not None:
        middle = np.float32(0.46)  # mid grey as sRGB
        picture = (picture - middle) * np.float32(contrast) + middle
    if fade is not None:
        picture = picture * np.float32(1 - fade) + np.float32(fade)
    saturation = grey if grey is not None else saturation
    if saturation is not None:
        weights = np.tile(np.array([0.299, 0.587, 0.114], np.float32), (3, 1)) * (1 - saturation)
        picture = cv2.transform(picture, (weights + np.eye(3) * saturation).astype(np.float32))
    return picture


def _resampled(picture: np.ndarray, rng: np.random.Generator, config: CameraEffects) -> np.ndarray:
    """The image after shrinking and enlarging, which loses detail, and sharpening."""
    height, width = picture.shape[:2]
    if (factor := config.rescale.draw(rng)) is not None and factor > 1:
        # the blur prevents aliasing, which would shift small details
        picture = cv2.GaussianBlur(picture, (0, 0), factor / 2, borderType=cv2.BORDER_REFLECT)
        coarse = max(1, round(width / factor)), max(1, round(height / factor))
        picture = cv2.resize(picture, coarse, interpolation=cv2.INTER_LINEAR)
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
    if (amount := config.sharpen.draw(rng)) is not None:
        soft = cv2.GaussianBlur(picture, (0, 0), 1.0, borderType=cv2.BORDER_REFLECT)
        picture = cv2.addWeighted(picture, 1 + amount, soft, -amount, 0)
    return picture


def _stored(pixels: np.ndarray, rng: np.random.Generator, config: CameraEffects) -> np.ndarray:
    """The pixels after a round trip through a JPEG file in memory."""
    quality, subsampled = config.jpeg.draw(rng), rng.random() < config.subsampled
    if quality is None:
        return pixels
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=round(quality), subsampling=2 if subsampled else 0)
    return np.array(Image.open(file))
