"""Grounds in perspective: grass, sand, asphalt, paving, courts, snow, floors."""

from __future__ import annotations

import cv2
import numpy as np

from votepose.synth.scenery import textures as tx
from votepose.synth.scenery.textures import laid, mix, noise, pick, ramp, shade


def ground(height: int, width: int, above: float, rng: np.random.Generator, indoors: bool) -> np.ndarray:
    """A plane in perspective whose vanishing line is `above` pixels above its first row."""
    lens, eye = width * rng.uniform(0.7, 1.6), rng.uniform(1.0, 2.5)
    below = np.arange(height, dtype=np.float32)[:, None] + np.float32(max(above, 0) + 0.5)
    depth = np.float32(lens * eye) / below
    across = (np.arange(width, dtype=np.float32)[None] - np.float32(width * rng.uniform(0.3, 0.7))) * np.float32(eye)
    across = across / below
    yaw = rng.uniform(0, np.pi / 2)
    cos, sin = np.float32(np.cos(yaw)), np.float32(np.sin(yaw))
    u, v = across * cos + depth * sin, depth * cos - across * sin
    footprint = np.sqrt(depth / below * (np.float32(eye) / below))  # geometric mean of its length and width
    kinds = (
        ["planks", "tiles", "carpet"] if indoors else ["grass", "sand", "asphalt", "paving", "court", "snow", "tiles"]
    )
    kind = str(rng.choice(kinds, p=None if indoors else [0.3, 0.13, 0.2, 0.15, 0.1, 0.06, 0.06]))
    if kind in ("planks", "tiles", "paving"):
        size, gap, colours = {
            "planks": ((float(rng.uniform(0.8, 2)), float(rng.uniform(0.08, 0.2))), 0.005, tx.WOODS),
            "tiles": ((float(rng.uniform(0.2, 0.8)),) * 2, 0.01, tx.WALLS),
            "paving": ((float(rng.uniform(0.2, 0.7)), float(rng.uniform(0.15, 0.5))), 0.02, tx.STONES),
        }[kind]
        image = laid(u, v, size, gap, -1.0 if kind == "planks" else 0.5 * rng.integers(2), colours, footprint, rng)
    else:
        image = _soil(kind, u, v, footprint, rng)
    return shade(image, np.exp(np.float32(rng.uniform(0.03, 0.15)) * noise(height, width, rng, 3, 6, 0.8, 3)))


def _soil(kind: str, u: np.ndarray, v: np.ndarray, footprint: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    colours = {"grass": tx.GRASSES, "sand": tx.SANDS, "snow": tx.SNOWS, "court": tx.COURTS}.get(kind, tx.STONES)
    if kind == "carpet":
        colours = tx.WALLS
    contrast = {"grass": 0.6, "sand": 0.25, "asphalt": 0.25, "carpet": 0.15}.get(kind, 0.06)
    total = np.zeros(u.shape, np.float32)
    for size in (1.2, 0.1):  # size of the coarsest detail in metres; each tile holds finer ones too
        tile = cv2.resize(np.pad(rng.standard_normal((32, 32), np.float32), 1, mode="wrap"), (272, 272))[8:-8, 8:-8]
        tile = tile + cv2.resize(rng.standard_normal((96, 96), np.float32), (256, 256)) * np.float32(0.7)
        scale = np.float32(8 / size)
        lumps = cv2.remap(tile, u * scale, v * scale, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        total += lumps * np.clip(np.float32(size) / footprint - 1, 0, 1)
    first, second = pick(colours, rng), pick(colours, rng, 0.05) if kind in ("grass", "sand") else None
    second = first * np.float32(1.25) if second is None else second
    image = ramp(total * np.float32(0.5), first * np.float32(1 - contrast), first, second, second * (1 + contrast))
    if kind in ("court", "asphalt", "grass") and rng.random() < (1.0 if kind == "court" else 0.3):
        line = np.minimum(
            np.abs((u + 40) % np.float32(rng.uniform(3, 9))), np.abs((v + 40) % np.float32(rng.uniform(3, 9)))
        )
        width = np.float32(rng.uniform(0.05, 0.15))
        image = mix(image, pick(tx.SNOWS, rng), np.clip((width - line) / np.maximum(footprint, 1e-3), 0, 0.9))
    return image
