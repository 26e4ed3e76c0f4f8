"""Skies, leaves, ridges and house fronts. Images are (h, w, 3) float32, linear RGB."""

from __future__ import annotations

import numpy as np

from votepose.synth.scenery import textures as tx
from votepose.synth.scenery.textures import cells, mix, noise, pick, ramp, shade


def sky(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A sky from zenith to haze, usually with clouds."""
    zenith, haze = pick(tx.SKIES, rng), pick(tx.HAZES, rng, 0.08)
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None] ** np.float32(rng.uniform(0.5, 2))
    image = mix(np.broadcast_to(zenith, (height, width, 3)).copy(), haze, np.repeat(down, width, axis=1))
    if rng.random() < 0.7:
        clouds = noise(height, width, rng, rng.uniform(1.5, 4), 6, 0.55, stretch=rng.uniform(1.5, 4))
        cover = np.clip((clouds + np.float32(rng.uniform(-1, 0.8))) * np.float32(rng.uniform(0.4, 1.2)), 0, 1)
        lit = np.float32(rng.uniform(0.5, 1.05)) * (1 - np.float32(0.25) * np.clip(clouds - 0.8, 0, 1))
        image = mix(image, shade(np.ones_like(image), lit), cover * np.float32(rng.uniform(0.5, 1)))
    return image


def foliage(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Foliage in sun and shade."""
    lumps = noise(height, width, rng, rng.uniform(2, 7), 7, rng.uniform(0.65, 0.85))
    green, dark = pick(tx.LEAVES, rng), pick(tx.LEAVES, rng)
    light = green * np.float32(rng.uniform(1.5, 3)) + np.float32(0.02)
    image = ramp(lumps * np.float32(0.9), dark * np.float32(0.08), dark * np.float32(0.5), green, light)
    return shade(image, np.exp(np.float32(0.35) * noise(height, width, rng, 2, 2)))


def hills(image: np.ndarray, rng: np.random.Generator) -> None:
    """Paint one to three ridges of hills or trees over the lower part of a sky, in place."""
    height, width = image.shape[:2]
    haze = image[-1].mean(axis=0)
    count = int(rng.integers(1, 4))
    for k in range(count):
        wooded = rng.random() < 0.6
        rough = noise(1, width, rng, 1, 7, 0.7 if wooded else 0.4, stretch=width / rng.uniform(2, 6))[0]
        top = height * (1 - rng.uniform(0.05, 0.5) * (count - k) / count) - rough * height * 0.05
        cover = np.clip(np.arange(height, dtype=np.float32)[:, None] - top.astype(np.float32) + 0.5, 0, 1)
        near = np.float32((k + 1) / count * rng.uniform(0.5, 1))
        start = max(0, int(top.min()))
        if start >= height:
            continue
        surface = (
            foliage(height - start, width, rng)
            if wooded
            else np.broadcast_to(pick(tx.GRASSES if rng.random() < 0.6 else tx.STONES, rng), (height - start, width, 3))
        )
        image[start:] = mix(image[start:], surface * near + haze * (1 - near), cover[start:])


def facade(height: int, width: int, rng: np.random.Generator, metres: float) -> np.ndarray:
    """A house front `metres` high with rows of windows."""
    step = np.float32(metres / max(height, 1))
    u, v = np.arange(width, dtype=np.float32)[None] * step, np.arange(height, dtype=np.float32)[:, None] * step
    image = np.broadcast_to(pick(tx.WALLS if rng.random() < 0.6 else tx.BRICKS, rng), (height, width, 3)).copy()
    size = float(rng.uniform(1.5, 4)), float(rng.uniform(2.6, 4))
    tone, frame = cells(u, v, size, float(rng.uniform(0.4, 1.3)), rng, footprint=step)
    glass = ramp(tone * 2, *(pick(tx.SKIES, rng) * np.float32(dark) for dark in (0.1, 0.2, 0.5, 1.2)))
    image = mix(image, glass, 1 - frame)
    return shade(image, np.exp(np.float32(0.1) * noise(height, width, rng, 3, 5)))


def street(image: np.ndarray, rng: np.random.Generator) -> None:
    """Paint a row of house fronts at the lower edge of a sky, in place: distant ones first, with haze."""
    height, width = image.shape[:2]
    haze, count = image[-1].mean(axis=0), int(rng.integers(2, 7))
    for k in range(count):
        wide, high = int(width * rng.uniform(0.15, 0.6)) + 1, int(height * rng.uniform(0.3, 1.1)) + 1
        left, top = int(rng.uniform(-0.5, 1) * wide + rng.random() * (width - wide)), max(0, height - high)
        area = image[top:, max(0, left) : max(0, left + wide)]
        if area.size:
            near = np.float32(0.5 + 0.5 * (k + 1) / count) * np.float32(rng.uniform(0.7, 1))
            front = facade(area.shape[0], area.shape[1], rng, metres=rng.uniform(9, 25)) * np.float32(
                rng.uniform(0.4, 1.1)
            )
            area[:] = front * near + haze * (1 - near)
