"""Paints objects with hard edges onto a scene: boxes, posts, fences, blobs, signs and plants."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from votepose.synth.scenery import textures as tx
from votepose.synth.scenery.outdoors import foliage
from votepose.synth.scenery.textures import mix, noise, paint, pick, rectangle, shade
from votepose.synth.scenery.walls import wall


def scatter(image: np.ndarray, count: int, ground: float | None, rng: np.random.Generator) -> None:
    """Paint `count` objects onto an image (H, W, 3), in place: on the ground below row `ground`, or anywhere."""
    height, width = image.shape[:2]
    feet = np.sort(rng.uniform(height * 0.2 if ground is None else ground, height * 1.15, count))
    for foot in feet:  # distant ones first
        near = 1.0 if ground is None else (foot - ground) / max(height - ground, 1) + 0.15
        size = height * rng.uniform(0.08, 0.5) * min(near, 1.0)
        place = np.array([rng.uniform(-0.05, 1.05) * width, foot])
        draw = (_box, _post, _fence, _blob, _sign, _plant)[rng.choice(6, p=[0.3, 0.17, 0.13, 0.15, 0.13, 0.12])]
        if ground is not None and draw is not _fence:
            _shadow(image, place, size, rng)
        draw(image, place, max(size, 3.0), rng)


def _surface(rng: np.random.Generator) -> Callable[[int, int], np.ndarray]:
    """A function that creates a plain, striped, checked or wall-like surface of a given height and width."""

    def make(height: int, width: int) -> np.ndarray:
        kind = rng.random()
        if kind < 0.12:
            return wall(height, width, rng, metres=rng.uniform(0.5, 2))
        colours = (tx.VIVID, tx.VIVID, tx.WALLS, tx.WOODS, tx.STONES)[rng.integers(5)]
        image = np.broadcast_to(pick(colours, rng), (height, width, 3)).copy()
        if kind < 0.35:
            x = np.sin(np.arange(width)[None] / rng.uniform(2, 20))
            y = np.sin(np.arange(height)[:, None] / rng.uniform(2, 20))
            share = (x * y if rng.random() < 0.5 else x + 0 * y) > 0
            image = mix(image, pick(tx.VIVID, rng), share.astype(np.float32))
        slope = np.linspace(rng.uniform(0.6, 1.15), rng.uniform(0.6, 1.15), height, dtype=np.float32)[:, None]
        grain = noise(height, width, rng, 3, 4, stretch=rng.uniform(0.5, 3))
        return shade(image, slope * np.exp(np.float32(rng.uniform(0.01, 0.2)) * grain))

    return make


def _shadow(image: np.ndarray, foot: np.ndarray, size: float, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    reach = np.array([size * 1.2, size * 0.25]) + 2
    low = np.clip(foot - reach, 0, (width, height)).astype(int)
    high = np.clip(foot + reach, 0, (width, height)).astype(int)
    if (high <= low).any():
        return
    x = (np.arange(low[0], high[0], dtype=np.float32) - foot[0]) / reach[0]
    y = (np.arange(low[1], high[1], dtype=np.float32) - foot[1]) / reach[1]
    dark = np.exp(-4 * (x[None] ** 2 + y[:, None] ** 2)) * rng.uniform(0.2, 0.7)
    image[low[1] : high[1], low[0] : high[0]] *= (1 - dark)[..., None].astype(np.float32)


def _box(image: np.ndarray, foot: np.ndarray, size: float, rng: np.random.Generator) -> None:
    """A cuboid with visible front, side and perhaps top."""
    (x, y), wide, high = foot, size * rng.uniform(0.5, 2.2), size * rng.uniform(0.3, 1.2)
    deep = np.array([size * rng.uniform(-0.5, 0.5), -size * rng.uniform(0.03, 0.25)])
    front = rectangle(x - wide / 2, y - high, x + wide / 2, y)
    colour = pick(tx.VIVID if rng.random() < 0.4 else tx.WALLS, rng)
    side = [1, 2] if deep[0] > 0 else [0, 3]
    paint(image, np.array([front[0], front[1], front[1] + deep, front[0] + deep]), colour * 1.3)
    edge = front[side]
    paint(image, np.array([edge[0], edge[1], edge[1] + deep, edge[0] + deep]), colour * rng.uniform(0.3, 0.7))
    paint(image, front, _surface(rng) if rng.random() < 0.5 else colour)
    if rng.random() < 0.4:  # doors, drawers, panes
        columns, rows = rng.integers(1, 5, 2)
        for i in range(columns):
            for j in range(rows):
                left, top = x - wide / 2 + wide * (i + 0.12) / columns, y - high + high * (j + 0.12) / rows
                inner = rectangle(left, top, left + wide * 0.76 / columns, top + high * 0.76 / rows)
                paint(image, inner, colour * rng.uniform(0.4, 1.3))


def _post(image: np.ndarray, foot: np.ndarray, size: float, rng: np.random.Generator) -> None:
    """A pole or trunk, often cut by the upper edge of the image, lit from one side."""
    (x, y), high, wide = foot, size * rng.uniform(2, 8), size * rng.uniform(0.03, 0.2)
    lean = rng.normal(0, 0.03) * high
    colour = pick(tx.WOODS if rng.random() < 0.4 else tx.STONES, rng)
    for share, light in ((1.0, 0.6), (0.7, 0.9), (0.3, 1.2)):
        a, b = x - wide / 2, x - wide / 2 + wide * share
        paint(image, np.array([[a, y], [b, y], [b + lean, y - high], [a + lean, y - high]]), colour * light)


def _fence(image: np.ndarray, foot: np.ndarray, size: float, rng: np.random.Generator) -> None:
    """Evenly spaced uprights between rails."""
    (x, y), high = foot, size * rng.uniform(0.5, 1.2)
    count, pitch = int(rng.integers(4, 14)), size * rng.uniform(0.1, 0.4)
    colour, wide, rise = (
        pick(tx.VIVID if rng.random() < 0.3 else tx.WOODS, rng),
        pitch * rng.uniform(0.1, 0.7),
        rng.normal(0, 0.08),
    )
    for rail in rng.uniform(0.1, 0.95, int(rng.integers(1, 4))):
        left, right, thick = x, x + count * pitch, max(1.0, high * 0.06)
        level, end = y - high * rail, y - high * rail + rise * count * pitch
        paint(image, np.array([[left, level], [right, end], [right, end + thick], [left, level + thick]]), colour * 0.8)
    for k in range(count):
        left, level = x + (k + 0.3) * pitch, y + rise * k * pitch
        paint(image, rectangle(left, level - high, left + wide, level), colour)


def _blob(image: np.ndarray, foot: np.ndarray, size: float, rng: np.random.Generator) -> None:
    """A rounded polygon: stones, bags, cushions, balls."""
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    radius = np.ones(40)
    for k in range(1, 5):
        radius += rng.normal(0, 0.25 / k) * np.cos(k * turn + rng.uniform(0, 6.3))
    reach = size * rng.uniform(0.15, 0.6) * np.array([1.0, rng.uniform(0.5, 1)])
    outline = foot - (0, reach[1]) + radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=-1) * reach
    paint(image, outline, _surface(rng))


def _sign(image: np.ndarray, foot: np.ndarray, size: float, rng: np.random.Generator) -> None:
    """A poster or screen: a frame, a background, lines like writing, and shapes."""
    (x, y), wide, high = foot, size * rng.uniform(0.4, 1.8), size * rng.uniform(0.4, 1.0)
    y -= size * rng.uniform(0, 2)
    left, top = x - wide / 2, y - high
    rim = size * rng.uniform(0, 0.08)
    paint(image, rectangle(left - rim, top - rim, left + wide + rim, y + rim), pick(tx.VIVID, rng))
    paint(image, rectangle(left, top, left + wide, y), _surface(rng))
    ink = pick(tx.VIVID, rng)
    for k in range(int(rng.integers(0, 7))):
        row, length = top + high * (0.1 + 0.13 * k), wide * rng.uniform(0.2, 0.85)
        paint(image, rectangle(left + wide * 0.08, row, left + wide * 0.08 + length, row + high * 0.06), ink)
    for _ in range(int(rng.integers(0, 4))):
        middle = np.array([left, top]) + rng.uniform(0.2, 0.8, 2) * (wide, high)
        corners = middle + rng.uniform(-0.2, 0.2, (int(rng.integers(3, 6)), 2)) * (wide, high)
        paint(image, corners, pick(tx.VIVID, rng))


def _plant(image: np.ndarray, foot: np.ndarray, size: float, rng: np.random.Generator) -> None:
    """A bush: leaves within a ragged outline."""
    height, width = image.shape[:2]
    reach = size * rng.uniform(0.3, 1.0, 2) + 2
    low = np.clip(foot - reach * [1, 2], 0, (width, height)).astype(int)
    high = np.clip(foot + reach * [1, 0], 0, (width, height)).astype(int)
    if (high <= low).any():
        return
    area = image[low[1] : high[1], low[0] : high[0]]
    rows, columns = area.shape[:2]
    x = (np.arange(low[0], high[0], dtype=np.float32)[None] - foot[0]) / reach[0]
    y = (np.arange(low[1], high[1], dtype=np.float32)[:, None] - foot[1] + reach[1]) / reach[1]
    inside = (0.75 - np.sqrt(x**2 + y**2) + 0.2 * noise(rows, columns, rng, 4, 5, 0.8)) * (size / 4)
    area[:] = mix(area, foliage(rows, columns, rng), np.clip(inside, 0, 1).astype(np.float32))
