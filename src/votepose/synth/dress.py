"""Random appearance of people: skin, hair, clothes, shoes, headgear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from votepose.synth.colour import srgb_to_linear
from votepose.synth.shading import BLOTCHES, MATERIAL, PLAIN_CLOTH

# sRGB triples from light to dark; neighbours are mixed
_SKINS = ((255, 224, 200), (241, 194, 160), (224, 172, 130), (198, 134, 96), (141, 85, 54), (92, 56, 38), (58, 36, 27))
_HAIRS = (
    (20, 17, 16),
    (45, 32, 25),
    (80, 54, 36),
    (120, 85, 52),
    (180, 140, 90),
    (215, 190, 140),
    (150, 70, 40),
    (160, 158, 155),
    (225, 222, 218),
)
_IRISES = ((60, 38, 24), (90, 62, 36), (70, 100, 130), (80, 110, 80))
# common colours: denim, black, greys, white, beige, navy, olive
_CLOTHS = (
    (40, 58, 92),
    (80, 105, 140),
    (24, 24, 27),
    (60, 60, 64),
    (128, 128, 130),
    (235, 235, 232),
    (200, 180, 150),
    (28, 34, 60),
    (85, 88, 58),
    (120, 30, 34),
)


@dataclass(frozen=True)
class Look:
    """The appearance of one person.

    Attributes:
        material: one record of `shading.Material.numpy_dtype()`.
        top_ease, bottom_ease: distance from body to garment, in metres.
        hair: distance from the scalp to the surface of the hair, in metres. hair_length: metres below the ears; 0 for
            short hair.
        headgear: "none", "cap", "helmet", "beanie" or "brim".
        skirt: length along the leg (0.5 the knee); 0 for none.
        backpack: whether the person carries one.
    """

    material: Any
    top_ease: float
    bottom_ease: float
    hair: float
    hair_length: float
    headgear: str
    skirt: float
    backpack: bool


def random_look(rng: np.random.Generator, gender: float, age: float) -> Look:
    """A look for a body with the phenotypes `gender` (0 male, 1 female) and `age` (1/3 for a child, 1 for old age)."""
    woman, child = gender > 0.5, age < 0.45
    material: Any = np.zeros((), MATERIAL)
    for name, palette in (("skin", _SKINS), ("hair", _hair_palette(age, rng)), ("iris", _IRISES)):
        material[name] = _mixed(palette, rng)
    for name in ("top", "top_second", "bottom", "bottom_second", "shoes", "hat", "bag"):
        material[name] = _cloth_colour(rng)
    material["top_pattern"] = rng.integers(PLAIN_CLOTH + 1, 7) if rng.random() < 0.4 else PLAIN_CLOTH
    material["bottom_pattern"] = rng.integers(PLAIN_CLOTH + 1, BLOTCHES + 1) if rng.random() < 0.15 else PLAIN_CLOTH
    material["pattern_scale"] = np.exp(rng.uniform(np.log(0.6), np.log(4)))
    skirt = float(rng.uniform(0.2, 0.9)) if rng.random() < (0.3 if woman else 0.01) else 0.0
    _cut(material, rng, bare=0.06, skirt=skirt)
    bald = not woman and not child and rng.random() < 0.15
    material["hairline"] = 9.0 if bald else rng.uniform(-0.012, 0.012)
    material["beard"] = rng.uniform(0.3, 0.95) if not woman and age > 0.55 and rng.random() < 0.35 else 0.0
    material["gloss"] = rng.uniform(0, 0.06)
    material["seed"] = rng.integers(2**30)
    loose = rng.random(2) ** 2 * (0.035, 0.03)
    long_hair = rng.random() < (0.6 if woman else 0.06)
    headgear = str(rng.choice(["none", "cap", "helmet", "beanie", "brim"], p=[0.7, 0.11, 0.07, 0.06, 0.06]))
    hair, length = float(rng.uniform(0.004, 0.03)), float(rng.uniform(0.05, 0.35))
    return Look(
        material,
        float(0.004 + loose[0]),
        float(0.003 + loose[1]),
        0.0 if bald else hair,
        length if long_hair and not bald else 0.0,
        headgear,
        skirt,
        rng.random() < 0.1,
    )


def _cut(material: Any, rng: np.random.Generator, bare: float, skirt: float) -> None:
    """Choose where garments end."""
    material["sleeve"] = rng.choice(
        [-0.1, rng.uniform(0.15, 0.42), rng.uniform(0.5, 0.8), 0.96], p=[0.12, 0.4, 0.08, 0.4]
    )
    material["leg"] = rng.choice([rng.uniform(0.12, 0.3), rng.uniform(0.3, 0.6), 0.95], p=[0.12, 0.23, 0.65])
    material["waist"] = rng.uniform(-0.08, 0.2)
    material["neck"] = rng.uniform(0.93, 1.08)
    material["shoe"] = rng.choice([rng.uniform(1.0, 1.08), rng.uniform(0.82, 0.97), 9.0], p=[0.75, 0.15, 0.1])
    material["glove"] = 0.97 if rng.random() < 0.05 else 9.0
    if rng.random() < bare:  # bathers, runners
        material["neck"], material["leg"] = -9.0, rng.uniform(0.08, 0.4)
        material["waist"] = rng.uniform(-0.02, 0.12)
    elif rng.random() < 0.08:  # a dress or overall: one fabric
        for name in ("", "_second", "_pattern"):
            material[f"bottom{name}"] = material[f"top{name}"]
    if skirt:
        material["leg"] = min(float(material["leg"]), rng.uniform(0.1, 0.3)) if rng.random() < 0.8 else 0.95


def _hair_palette(age: float, rng: np.random.Generator) -> tuple[tuple[int, int, int], ...]:
    return _HAIRS[-2:] if rng.random() < 2 * (age - 0.6) else _HAIRS[:-2]


def _mixed(palette: tuple[tuple[int, int, int], ...], rng: np.random.Generator) -> np.ndarray:
    place = rng.uniform(0, len(palette) - 1)
    first, share = int(place), place % 1
    colour = np.array(palette[first]) * (1 - share) + np.array(palette[min(first + 1, len(palette) - 1)]) * share
    return srgb_to_linear(np.clip(colour / 255 * rng.uniform(0.93, 1.05), 0, 1))


def _cloth_colour(rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.6:
        cloth = np.array(_CLOTHS[rng.integers(len(_CLOTHS))]) / 255
        return srgb_to_linear(np.clip(cloth * rng.uniform(0.75, 1.2), 0, 1))
    hue, saturation, value = rng.random(), rng.beta(2, 2), rng.uniform(0.15, 0.95)
    channels = np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1
    return srgb_to_linear(value * (1 - saturation * (1 - np.clip(channels, 0, 1))))
