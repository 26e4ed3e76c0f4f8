"""Walls with windows, doors and pictures, and rooms. Images are (h, w, 3) float32, linear RGB."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np

from votepose.synth.scenery import textures as tx
from votepose.synth.scenery.outdoors import foliage, sky
from votepose.synth.scenery.textures import laid, mix, noise, paint, pick, ramp, rectangle, shade


def wall(height: int, width: int, rng: np.random.Generator, metres: float = 4.0) -> np.ndarray:
    """A wall seen from the front, `metres` high: bricks, boards, tiles, concrete, paint, paper, panels."""
    step = np.float32(metres / max(height, 1))
    u, v = np.arange(width, dtype=np.float32)[None] * step, np.arange(height, dtype=np.float32)[:, None] * step
    kind = rng.choice(
        ["bricks", "boards", "tiles", "paint", "concrete", "stripes"], p=[0.2, 0.12, 0.1, 0.3, 0.15, 0.13]
    )
    if kind in ("bricks", "boards", "tiles"):
        size, gap, stagger, colours = {
            "bricks": ((0.25, 0.08), 0.012, 0.5, tx.BRICKS),
            "boards": ((3.0, 0.14), 0.008, -1.0, tx.WOODS),
            "tiles": ((0.2, 0.2), 0.008, 0.0, tx.WALLS),
        }[kind]
        scale = rng.uniform(0.8, 2.2)
        image = laid(u, v, (size[0] * scale, size[1] * scale), gap * scale, stagger, colours, step, rng)
    else:
        colour = pick(tx.STONES if kind == "concrete" else tx.WALLS, rng)
        image = np.broadcast_to(colour, (height, width, 3)).copy()
        if kind == "stripes":
            wave = np.sin(u * np.float32(2 * np.pi / rng.uniform(0.08, 0.5))) * np.float32(2) + np.float32(0.5)
            image = mix(image, pick(tx.WALLS, rng), np.repeat(np.clip(wave, 0, 1), height, axis=0))
    rough = rng.uniform(0.05, 0.25) if kind == "concrete" else rng.uniform(0.01, 0.08)
    image = shade(image, np.exp(np.float32(rough) * noise(height, width, rng, 3, 7, 0.75)))
    if rng.random() < 0.35:  # a second colour up to chest height, as in corridors
        row = int(height * rng.uniform(0.5, 0.8))
        image[row:] *= pick(tx.WALLS, rng)
        image[row : row + max(1, height // 80)] = pick(tx.WALLS, rng)
    return image


def furnish(image: np.ndarray, rng: np.random.Generator) -> None:
    """Hang windows, doors, pictures and shelves on a wall, in place."""
    height, width = image.shape[:2]
    for left in rng.uniform(0, 0.9, int(rng.integers(0, 5))) * width:
        kind = rng.choice(["window", "door", "picture", "shelf"], p=[0.35, 0.2, 0.3, 0.15])
        frame = pick(tx.WOODS if rng.random() < 0.4 else tx.WALLS, rng)
        high, wide = height * rng.uniform(0.1, 0.55), height * rng.uniform(0.1, 0.6)
        bottom = height * rng.uniform(0.4, 0.75)
        if kind == "door":
            high, wide, bottom = height * rng.uniform(0.65, 0.85), height * rng.uniform(0.25, 0.6), height
        rim, top = height * rng.uniform(0.005, 0.03), bottom - high
        paint(image, rectangle(left - rim, top - rim, left + wide + rim, bottom + rim), frame)
        if kind == "shelf":
            _books(image, left, top, wide, high, rng)
            continue
        inner = rectangle(left, top, left + wide, bottom)
        if kind == "picture":
            paint(image, inner, partial(_painting, rng=rng))
            continue
        view = partial((sky, foliage)[rng.integers(2)], rng=rng)
        paint(image, inner, view if kind == "window" else pick(tx.WOODS if rng.random() < 0.5 else tx.WALLS, rng))
        if rng.random() < 0.6:  # bars
            middle, row = left + wide / 2, top + high * rng.uniform(0.3, 0.7)
            paint(image, rectangle(middle - rim / 2, top, middle + rim / 2, bottom), frame)
            paint(image, rectangle(left, row - rim / 2, left + wide, row + rim / 2), frame)


def _painting(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    return ramp(noise(height, width, rng, 2, 3), *(pick(tx.VIVID, rng) for _ in range(4)))


def _books(image: np.ndarray, left: float, top: float, wide: float, high: float, rng: np.random.Generator) -> None:
    rows = int(rng.integers(2, 5))
    for row in range(rows):
        floor, place = top + high * (row + 0.95) / rows, left
        paint(image, rectangle(left, floor - high * 0.9 / rows, left + wide, floor), np.full(3, 0.03))
        while place < left + wide:
            thick = wide * rng.uniform(0.03, 0.12)
            end = min(place + thick * 0.95, left + wide)
            tall = high * rng.uniform(0.4, 0.85) / rows
            paint(image, rectangle(place, floor - tall, end, floor), pick(tx.VIVID, rng) * 0.6)
            place += thick * rng.choice([1.0, 1.0, 1.0, 2.0])


def room(image: np.ndarray, seam: int, eye: float, rng: np.random.Generator) -> None:
    """Paint a back wall down to the floor at row `seam`, side walls and a ceiling, in place, seen from row `eye`."""
    height, width = image.shape[:2]
    flat = wall(max(2, height), max(2, width), rng, metres=rng.uniform(2.5, 4))
    furnish(flat, rng)
    left, right = width * rng.uniform(-0.3, 0.35), width * rng.uniform(0.65, 1.3)
    ceiling = eye - (seam - eye) * rng.uniform(0.4, 2.5)
    corners = np.array([[left, ceiling], [right, ceiling], [right, seam], [left, seam]])
    vanishing = np.array([width * rng.uniform(0.3, 0.7), eye])
    outer = vanishing + (corners - vanishing) * 4
    source = np.array([[0, 0], [flat.shape[1], 0], [flat.shape[1], flat.shape[0]], [0, flat.shape[0]]], np.float32)
    for quad in (corners, [outer[0], corners[0], corners[3], outer[3]], [corners[1], outer[1], outer[2], corners[2]]):
        matrix = cv2.getPerspectiveTransform(source, np.array(quad, np.float32))
        lit = flat * np.float32(rng.uniform(0.5, 1.1))
        cv2.warpPerspective(lit, matrix, (width, height), image, borderMode=cv2.BORDER_TRANSPARENT)
    top = np.array([outer[0], outer[1], corners[1], corners[0]])
    cv2.fillConvexPoly(image, np.round(top).astype(np.int32), (pick(tx.WALLS[:6], rng) * 0.9).tolist())
