"""Scenes without people, composed of skies, walls, grounds and clutter."""

from __future__ import annotations

import cv2
import numpy as np

from votepose.synth.scenery import textures as tx
from votepose.synth.scenery.clutter import scatter
from votepose.synth.scenery.grounds import ground
from votepose.synth.scenery.outdoors import foliage, hills, sky, street
from votepose.synth.scenery.textures import noise, pick, ramp, shade
from votepose.synth.scenery.walls import furnish, room, wall

_BRIGHTEST = 0.6  # maximum mean of a scene, so that white walls keep their texture


def procedural(size: tuple[int, int], rng: np.random.Generator, horizon: float | None) -> np.ndarray:
    """A scene without people: (H, W, 3) float32 linear RGB, 0 to a little over 1.

    Args:
        size: (width, height), in pixels.
        horizon: position of the edge between ground and sky or wall, as a share of the height from the top; None for no
            ground, 0 or less for ground only.

    Raises:
        ValueError: if a side is not positive.
    """
    width, height = size
    if min(size) < 1:
        raise ValueError(f"a background of {width}x{height} pixels: both sides must be positive")
    if horizon is None or horizon >= 1:
        image, seam = _flat(height, width, rng), None
    else:
        seam = min(max(0, round(horizon * height)), height)
        image = _scene(height, width, horizon, seam, rng)
    scatter(image, int(rng.integers(0, 13)), seam, rng)
    if rng.random() < 0.4:  # out of focus, as behind portraits
        image = cv2.GaussianBlur(image, (0, 0), max(width, height) / 320 * rng.uniform(0.6, 4))
    gain, mean = float(np.exp(rng.normal(0, 0.3))), float(image.mean())
    image *= np.float32(min(gain, _BRIGHTEST / max(mean, 1e-6)))
    return np.clip(image, 0, 1.5)


def _scene(height: int, width: int, horizon: float, seam: int, rng: np.random.Generator) -> np.ndarray:
    """A backdrop above row `seam` and a ground below it."""
    backdrop = str(rng.choice(["room", "wall", "sky", "street", "hills", "woods"], p=[0.3, 0.1, 0.1, 0.2, 0.2, 0.1]))
    eye = horizon * height
    if backdrop in ("room", "wall") and seam:  # a wall hides the horizon
        eye -= height * rng.uniform(0.05, 0.4)
    image = np.empty((height, width, 3), np.float32)
    if seam < height:
        indoors = backdrop == "room" or (backdrop == "wall" and rng.random() < 0.5)
        image[seam:] = ground(height - seam, width, seam - eye, rng, indoors)
    if seam == 0:
        return image
    behind = image[:seam]
    if backdrop == "room":
        behind[:] = pick(tx.WALLS, rng)
        room(image, seam, eye, rng)
    elif backdrop == "wall":
        behind[:] = wall(seam, width, rng)
        if rng.random() < 0.5:
            furnish(behind, rng)
    elif backdrop == "woods":
        behind[:] = foliage(seam, width, rng)
    else:
        behind[:] = sky(seam, width, rng)
        if backdrop == "street":
            street(behind, rng)
        elif backdrop == "hills":
            hills(behind, rng)
    return _lit(image, rng)


def _flat(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A backdrop without a ground."""
    kind = str(rng.choice(["wall", "foliage", "bokeh", "sky", "studio", "marble"], p=[0.3, 0.2, 0.2, 0.1, 0.12, 0.08]))
    if kind == "wall":
        image = wall(height, width, rng, metres=rng.uniform(1.5, 5))
        if rng.random() < 0.4:
            furnish(image, rng)
        return _lit(image, rng)
    if kind == "foliage":
        return foliage(height, width, rng)
    if kind == "sky":
        return sky(height, width, rng)
    if kind == "bokeh":
        return _bokeh(height, width, rng)
    colours = [pick(tx.WALLS if kind == "studio" else tx.VIVID, rng) for _ in range(1 if kind == "studio" else 5)]
    if kind == "studio":
        return _lit(np.broadcast_to(colours[0], (height, width, 3)).copy(), rng)
    return ramp(noise(height, width, rng, rng.uniform(1, 6), int(rng.integers(1, 7)), 0.6), *colours)


def _lit(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The image under uneven light, sometimes in patches, as under trees or behind blinds."""
    height, width = image.shape[:2]
    x, y = np.linspace(-1, 1, width, dtype=np.float32)[None], np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    slope = rng.normal(0, 0.2, 2).astype(np.float32)
    light = np.exp(slope[0] * x + slope[1] * y)
    if rng.random() < 0.25:
        patches = noise(height, width, rng, rng.uniform(2, 6), 4, 0.5, stretch=rng.uniform(1, 4))
        shadow = np.float32(rng.uniform(0.3, 0.8))
        light = light * (shadow + (1 - shadow) * np.clip(patches * 2 + np.float32(0.5), 0, 1))
    return shade(image, light)


def _bokeh(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Lights far out of focus in front of a dark background."""
    colours = [pick(tx.VIVID, rng) * np.float32(rng.uniform(0.05, 0.6)) for _ in range(4)]
    image = ramp(noise(height, width, rng, rng.uniform(1, 4), 2, 0.4), *colours)
    lights, side = np.zeros_like(image), min(height, width)
    radius = rng.uniform(0.02, 0.08) * side
    for _ in range(int(rng.integers(8, 50))):
        x, y = (int(v) for v in rng.random(2) * (width, height))
        reach = max(1, round(radius * rng.uniform(0.7, 1.2)))
        area = lights[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        disc = np.zeros(area.shape[:2], np.float32)
        cv2.circle(disc, (min(x, reach), min(y, reach)), reach, 1.0, -1)
        colour = pick(tx.VIVID, rng) * np.float32(rng.uniform(0.1, 0.7))
        area += cv2.merge([disc * value for value in colour])
    return image + cv2.GaussianBlur(lights, (0, 0), max(0.5, radius / 8))
