"""Plans batches before their pixels are rendered: the images, their placement and colours, and the people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from votepose.data.augment_config import AugmentConfig
from votepose.data.label_table import LabelTable
from votepose.data.placement import People, Placement, moved_people, place

_MOSAIC_ZOOM = 1.2
_MIDDLE = (0.35, 0.65)  # range of a mosaic's centre, relative to its side
_GRAIN = 64  # period in pixels of the noise on a patch
_NOISE = 12.0  # standard deviation of that noise
_PATCH = (0.06, 0.3)  # range of an occluding patch's sides, relative to the input's


@dataclass(frozen=True)
class Drawn:
    """Rows of a `LabelTable` that are sampled with equal probability.

    Attributes:
        first, count: the rows. weight: total weight of the rows, in any unit. mosaic_only: whether to use them only in
            mosaics.
    """

    first: int
    count: int
    weight: float
    mosaic_only: bool = False


@dataclass(frozen=True)
class Colours:
    """Changes to the colours of B inputs, in this order.

    Attributes:
        gain, offset: (B, 3) for red, green and blue. grey: (B,) bool. blur: (B,) sigma in pixels, 0 for none.
        patch: (B, 4) x, y, width, height of an occluding patch, in pixels; width 0 for none.
        patch_colour: (B, 3). grain: (g, g) normal noise on it.
    """

    gain: np.ndarray
    offset: np.ndarray
    grey: np.ndarray
    blur: np.ndarray
    patch: np.ndarray
    patch_colour: np.ndarray
    grain: np.ndarray


@dataclass(frozen=True)
class Plan:
    """A batch of B inputs of side `size`: first `single` inputs with one image each, then mosaics.

    Attributes:
        parts: the images, one per single input and then four per mosaic.
        people: the people; here `part` and `ignore_part` are indices of inputs. complete: (B,) bool.
    """

    size: int
    single: int
    parts: Placement
    colours: Colours
    people: People
    complete: np.ndarray

    def __len__(self) -> int:
        return len(self.complete)


def draw_plan(
    table: LabelTable,
    sources: Sequence[Drawn],
    batch_size: int,
    size: int,
    config: AugmentConfig,
    flip: np.ndarray,
    rng: np.random.Generator,
) -> Plan:
    """Randomly choose the images of a batch and their augmentation."""
    weights = np.array([source.weight for source in sources], float)
    chosen = rng.choice(len(sources), (batch_size, 4), p=weights / weights.sum())
    first, count = (np.array([getattr(s, name) for s in sources])[chosen] for name in ("first", "count"))
    pictures = first + (rng.random((batch_size, 4)) * count).astype(int)
    only = np.array([source.mosaic_only for source in sources])[chosen[:, 0]]
    mosaic = only | (rng.random(batch_size) < config.mosaic)
    return plan_inputs(table, pictures[~mosaic, 0], pictures[mosaic], size, config, flip, rng)


def plan_inputs(
    table: LabelTable,
    singles: np.ndarray,
    mosaics: np.ndarray,
    size: int,
    config: AugmentConfig,
    flip: np.ndarray,
    rng: np.random.Generator,
) -> Plan:
    """Randomly choose the augmentation of given images.

    Args:
        table: their labels.
        singles: (n,) images of single inputs. mosaics: (m, 4) images of each mosaic.
        size: side of the inputs, in pixels.
        config: the options of augmentation. flip: (K,) index of each joint's mirror image.
    """
    single, batch_size = len(singles), len(singles) + len(mosaics)
    picture = np.concatenate([singles, mosaics.ravel()])
    whole = np.tile(np.array([0, 0, size, size], np.float32), (single, 1))
    frame = np.concatenate([whole, _frames(len(mosaics), size, rng)])
    zoom = np.where(np.arange(len(picture)) < single, 1.0, _MOSAIC_ZOOM)
    parts = place(table, picture, frame, config, rng, zoom)
    owner = np.concatenate([np.arange(single), np.repeat(np.arange(single, batch_size), 4)])
    complete = np.ones(batch_size, bool)
    np.logical_and.at(complete, owner, table.complete[picture])
    colours = _colours(batch_size, size, config, rng)
    people = _owned(moved_people(table, parts, flip), owner)
    return Plan(size, single, parts, colours, _covered(people, colours.patch), complete)


def _frames(count: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """(4 count, 4) the four frames of each mosaic, around a random centre."""
    x, y = np.floor(rng.uniform(*_MIDDLE, (2, count)) * size)
    zero = np.zeros(count)
    frames = [(zero, zero, x, y), (x, zero, size - x, y), (zero, y, x, size - y), (x, y, size - x, size - y)]
    return np.stack([np.stack(frame, axis=-1) for frame in frames], axis=1).reshape(-1, 4).astype(np.float32)


def _colours(count: int, size: int, config: AugmentConfig, rng: np.random.Generator) -> Colours:
    contrast, brightness = rng.normal(0, 1, (2, count, 1)) * config.colour
    gain = np.exp(contrast + rng.normal(0, config.colour / 4, (count, 3)))
    offset = 128 - 128 * gain + 64 * brightness
    grey = rng.random(count) < config.grey
    blur = np.where(rng.random(count) < config.blur, rng.uniform(0.5, 1.6, count), 0.0)
    sides = rng.uniform(*_PATCH, (count, 2)) * (rng.random(count) < config.occluder)[:, None]
    middle = rng.random((count, 2))
    patch = np.concatenate([middle - sides / 2, sides], axis=1) * size
    values = (
        gain,
        offset,
        grey,
        blur,
        patch,
        rng.uniform(0, 255, (count, 3)),
        _NOISE * rng.normal(size=(_GRAIN, _GRAIN)),
    )
    return Colours(*(value if value.dtype == bool else value.astype(np.float32) for value in values))


def _owned(people: People, owner: np.ndarray) -> People:
    return People(
        people.keypoints, people.boxes, people.areas, owner[people.part], people.ignore, owner[people.ignore_part]
    )


def _covered(people: People, patch: np.ndarray) -> People:
    """Mark joints behind an occluding patch as hidden (v = 1); people with no other joints become ignore regions."""
    x, y, width, height = patch[people.part].T[..., None]
    kx, ky = people.keypoints[..., 0], people.keypoints[..., 1]
    behind = (kx >= x) & (kx < x + width) & (ky >= y) & (ky < y + height)
    v = np.where(behind, np.minimum(people.keypoints[..., 2], 1), people.keypoints[..., 2])
    keypoints = np.concatenate([people.keypoints[..., :2], v[..., None]], axis=-1)
    kept = ((v > 0) & ~behind).any(axis=1)
    return People(
        keypoints[kept],
        people.boxes[kept],
        people.areas[kept],
        people.part[kept],
        np.concatenate([people.ignore, people.boxes[~kept]]),
        np.concatenate([people.ignore_part, people.part[~kept]]),
    )
