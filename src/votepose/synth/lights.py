"""The lights of a scene: sun or lamp and a weaker lamp, both with shadows, and ambient light from sky and floor."""

from __future__ import annotations

from typing import Any

import numpy as np
import warp as wp

from votepose.synth.cast import Camera
from votepose.synth.shading import Light


def random_light(camera: Camera, background: np.ndarray, rng: np.random.Generator) -> Any:
    """Lights that match the colours of the upper and lower parts of a background (H, W, 3) in linear light."""
    hard = rng.random() < 0.5
    key = rng.uniform(0.7, 1.8) if hard else rng.uniform(0.15, 0.7)
    softness = rng.uniform(0.01, 0.08) if hard else rng.uniform(0.2, 0.6)
    elevation, azimuth = np.radians(rng.uniform(15, 80)), rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.6:  # photographers prefer the sun behind them
        azimuth = rng.normal(-np.pi / 2, 0.8)
    level = np.array([np.cos(elevation) * np.cos(azimuth), -np.sin(elevation), np.cos(elevation) * np.sin(azimuth)])
    warmth = rng.normal(0, 0.12)
    half = len(background) // 2
    above, below = (np.asarray(part.mean(axis=(0, 1)), np.float64) for part in (background[:half], background[half:]))
    brightness = 0.15 + 0.85 * float(background.mean()) ** 0.5  # people are as bright as their background
    light = Light()
    light.direction = wp.vec3(*(camera.turn @ level))
    light.colour = wp.vec3(*(key * brightness * np.array([1 + warmth, 1.0, 1 - warmth])))
    light.softness = float(softness)
    light.fill_direction = wp.vec3(*_unit(rng.normal(size=3) - [0, 0.5, 1.0]))
    light.fill = wp.vec3(*(np.full(3, rng.uniform(0.02, 0.5)) * brightness))
    light.sky = wp.vec3(*(_tint(above) * rng.uniform(0.5, 1.0) * brightness))
    light.bounce = wp.vec3(*(_tint(below) * rng.uniform(0.2, 0.5) * brightness))
    light.ground_normal = wp.vec3(*camera.up.tolist())
    light.ground_height = camera.floor
    light.shadow = float(rng.uniform(0.3, 0.7) if hard else rng.uniform(0.1, 0.3))
    return light


def _tint(colour: np.ndarray) -> np.ndarray:
    """The colour at unit brightness and half the saturation."""
    return 0.5 + 0.5 * colour / max(float(colour.mean()), 1e-3)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
