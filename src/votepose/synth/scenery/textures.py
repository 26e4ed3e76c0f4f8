"""Procedural textures in linear light: fractal noise, cells (bricks, tiles, planks, windows) and palettes."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from votepose.synth.colour import srgb_to_linear

_FINE = np.float32(0.01)
_SHIFT = 4  # fractional bits of cv2's drawing coordinates


def palette(*names: str) -> np.ndarray:
    """Hex sRGB colours, as "8aa86b" -> (n, 3) linear float32."""
    return srgb_to_linear(np.array([list(bytes.fromhex(name)) for name in names], np.uint8))


WALLS = palette(
    "f2efe8",
    "e8dcc4",
    "d9d4c7",
    "c9d3d6",
    "b7c4b1",
    "d8b9a0",
    "e9c9a9",
    "a9b7c6",
    "7f8c8d",
    "5f6f65",
    "f7e7b0",
    "c98f6b",
    "8f5b4a",
    "4a5568",
    "ffffff",
    "cfcfcf",
    "9aa5a0",
    "6b4a3a",
    "2f3640",
)
BRICKS = palette("9b4b3a", "7d3f32", "b5654a", "a87560", "c9a98c", "6d5a50", "d8cfc4", "8a8680")
WOODS = palette("a9754a", "8a5a33", "c79a68", "6b4226", "d9b382", "b58a5f", "4f3524", "e0c9a6")
GRASSES = palette("5c7a2e", "6f8f3a", "4a6627", "83973f", "94a04e", "3f5a26", "a3a05a", "587a3f")
SANDS = palette("d9c39a", "c2a878", "e6d8b8", "b79a72", "cbb894", "a8845c")
STONES = palette("7a7a78", "5b5c5e", "8f8d88", "a8a59e", "6a6863", "45474a", "b9b4a8", "96908a")
LEAVES = palette("33502a", "4c6b2f", "6d8a3c", "2b4526", "8a9a45", "a08a3a", "5a7d4a", "3d5f45", "9c6a2f")
SKIES = palette("3f7fc4", "6aa2d8", "8fb8dc", "a9c4da", "5b7fa6", "2f66ad", "c4ccd2", "9aa4ae", "445a78")
HAZES = palette("d7e6f2", "eef2f4", "f6e3c8", "e8d9d4", "c9d6e0", "f3c9a0", "dfe3e4", "b9c0c6")
VIVID = palette(
    "c0392b",
    "e67e22",
    "f1c40f",
    "27ae60",
    "2980b9",
    "8e44ad",
    "ecf0f1",
    "2c3e50",
    "16a085",
    "d35470",
    "f39c9c",
    "7fb3d5",
    "1b1b1b",
    "fafafa",
    "b03a2e",
    "1f618d",
    "7d6608",
    "a04000",
    "5d6d7e",
)
SNOWS = palette("eef3f7", "dde6ee", "f7f7f5", "cfd9e4")
COURTS = palette("b5533c", "3f7d5a", "2f6f9f", "c97b4a", "4b8f6a", "2a4d7c", "a9764f", "73508c")


def pick(colours: np.ndarray, rng: np.random.Generator, spread: float = 0.15) -> np.ndarray:
    """A random colour (3,) of (n, 3), slightly varied in brightness and tint."""
    chosen = colours[rng.integers(len(colours))]
    return (chosen * np.exp(rng.normal(0, spread) + rng.normal(0, spread / 4, 3))).astype(np.float32)


def noise(
    height: int,
    width: int,
    rng: np.random.Generator,
    cells: float = 4.0,
    octaves: int = 5,
    roughness: float = 0.6,
    stretch: float = 1.0,
) -> np.ndarray:
    """Fractal noise (height, width) float32, mean about 0, standard deviation about 1.

    Args:
        cells: number of cells of the coarsest octave along the shorter side, doubled with each octave.
        roughness: amplitude of an octave relative to the one before.
        stretch: width of a cell relative to its height.
    """
    lump = max(1.0, min(height, width) / cells)
    octaves = max(1, min(octaves, int(np.log2(lump)) + 1))
    total: np.ndarray = np.zeros((1, 1), np.float32)
    power, amplitude = 0.0, 1.0
    for k in range(octaves):  # coarse octaves are computed at low resolution, which doubles with each octave
        part = 0.5 ** (octaves - 1 - k)
        size = max(1, round(width * part)), max(1, round(height * part))
        rows, columns = (int(min(n, n / wide) + 2) for n, wide in ((height, lump), (width, lump * stretch)))
        grid = rng.standard_normal((rows, columns), np.float32) * np.float32(amplitude)
        total = cv2.resize(total, size, interpolation=cv2.INTER_CUBIC)
        total = total + cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC)
        power += amplitude**2
        amplitude *= roughness
        lump /= 2
    return total * np.float32(1.4 / np.sqrt(power))


def ramp(values: np.ndarray, *colours: np.ndarray) -> np.ndarray:
    """Values (h, w) in [-1.5, 1.5], clipped -> (h, w, 3) by interpolating evenly spaced colours (3,)."""
    places = np.linspace(-1.5, 1.5, len(colours))
    steps = np.linspace(-1.5, 1.5, 256)
    table = np.stack([np.interp(steps, places, [c[k] for c in colours]) for k in range(3)], axis=-1)
    index = cv2.convertScaleAbs(np.clip(values + np.float32(1.5), 0, 3), alpha=85)
    return cv2.LUT(cv2.merge([index] * 3), table[None].astype(np.float32))


def shade(image: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """(h, w, 3) times factors (h, w)."""
    return image * cv2.merge([np.ascontiguousarray(factor, np.float32)] * 3)


def mix(below: np.ndarray, above: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(h, w, 3) blended with `above`, (h, w, 3) or one colour (3,), by its share (h, w) in [0, 1]."""
    if above.ndim == 1:
        planes = zip(cv2.split(below), above, strict=True)
        return cv2.merge([plane + (value - plane) * share for plane, value in planes])
    return below + (above - below) * cv2.merge([share] * 3)


def cells(
    u: np.ndarray,
    v: np.ndarray,
    size: tuple[float, float],
    gap: float,
    rng: np.random.Generator,
    stagger: float = 0.0,
    footprint: np.ndarray | np.float32 = _FINE,
) -> tuple[np.ndarray, np.ndarray]:
    """The tone of each grid cell, about -1 to 1, and the share of joint (0 to 1) in each pixel, both (h, w).

    Args:
        u, v: broadcastable to (h, w): position of each pixel on the surface, in metres.
        size: size of a cell along u and v. gap: width of the joint between cells. stagger: shift of each row along u
            relative to the one before, in cells; negative for a random shift.
        footprint: size of a pixel on the surface in metres; where cells are smaller, both results fade to their means.
    """
    row = np.floor(v / np.float32(size[1]))
    shifts = rng.random(64, np.float32) if stagger < 0 else np.arange(64, dtype=np.float32) * np.float32(stagger)
    rows = row.astype(np.int32) & 63
    along = u / np.float32(size[0]) + shifts[rows]
    column = np.floor(along)
    tones = np.clip(rng.normal(0, 0.5, (64, 64)), -1, 1).astype(np.float32)
    tone = tones[rows, column.astype(np.int32) & 63]
    edge_u = (np.float32(0.5) - np.abs(along - column - np.float32(0.5))) * np.float32(size[0])
    edge_v = (np.float32(0.5) - np.abs(v / np.float32(size[1]) - row - np.float32(0.5))) * np.float32(size[1])
    soft = np.maximum(footprint, np.float32(1e-4))
    joint = np.clip((np.float32(gap / 2) - np.minimum(edge_u, edge_v)) / soft + np.float32(0.5), 0, 1)
    seen = np.clip(np.float32(min(size) / 1.5) / soft - np.float32(0.3), 0, 1)
    mean = np.float32(min(1.0, gap * (1 / size[0] + 1 / size[1])))
    joint, tone = np.broadcast_arrays(mean + (joint - mean) * seen, tone * seen)
    return np.ascontiguousarray(tone, np.float32), np.ascontiguousarray(joint, np.float32)


def laid(
    u: np.ndarray,
    v: np.ndarray,
    size: tuple[float, float],
    gap: float,
    stagger: float,
    colours: np.ndarray,
    footprint: np.ndarray | np.float32,
    rng: np.random.Generator,
) -> np.ndarray:
    """Bricks, tiles or boards of one colour, with joints; each has its own tone."""
    tone, joint = cells(u, v, size, gap, rng, stagger, footprint)
    base, vary = pick(colours, rng), np.float32(rng.uniform(0.05, 0.5))
    other = pick(colours, rng) if rng.random() < 0.25 else base * (1 + vary)
    image = ramp(tone * np.float32(1.5), base * (1 - vary), base, other)
    return mix(image, base * np.float32(rng.choice([0.35, 0.6, 1.6])), joint)


def rectangle(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """The outline (4, 2) of an upright rectangle."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def paint(image: np.ndarray, outline: np.ndarray, surface: np.ndarray | Callable[[int, int], np.ndarray]) -> None:
    """Fill a polygon (n, 2), in pixels, in place, with soft edges.

    `surface` is a colour (3,), or a function from height and width to an image (h, w, 3).
    """
    height, width = image.shape[:2]
    low = np.maximum(np.floor(outline.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + 2, (width, height))
    if (high <= low).any():
        return
    area = image[low[1] : high[1], low[0] : high[0]]
    mask = np.zeros(area.shape[:2], np.uint8)
    # cv2's pixel centres are at integers; ours are at half-integers
    points = np.round((outline - low - 0.5) * 2**_SHIFT).astype(np.int32)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, _SHIFT)
    filled = surface(*area.shape[:2]) if callable(surface) else surface.astype(np.float32)
    area[:] = mix(area, filled, mask.astype(np.float32) / 255)
