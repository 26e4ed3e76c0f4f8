"""Places images and their people in training inputs, vectorised with NumPy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from votepose.data.augment_config import AugmentConfig
from votepose.data.label_table import LabelTable

_LEAST_LOST, _LEAST_IGNORED = 0.05, 0.01  # minimum share of a box inside the frame for it to count


@dataclass(frozen=True)
class Placement:
    """M images, each placed in a frame of its input.

    Attributes:
        picture: (M,) rows of a `LabelTable`.
        frame: (M, 4) x, y, width, height of the part of the input that shows the image, in input pixels.
        matrix: (M, 2, 3) transformation from image pixels to input pixels.
        scale: (M,) input pixels per image pixel.
        mirrored: (M,) bool.
    """

    picture: np.ndarray
    frame: np.ndarray
    matrix: np.ndarray
    scale: np.ndarray
    mirrored: np.ndarray


@dataclass(frozen=True)
class People:
    """The people in placed images, in input pixels, without those outside their frame.

    Attributes:
        keypoints: (N, K, 3) with COCO's v. boxes: (N, 4). areas: (N,).
        part: (N,) index of each person's placed image.
        ignore: (R, 4) boxes. ignore_part: (R,).
    """

    keypoints: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    part: np.ndarray
    ignore: np.ndarray
    ignore_part: np.ndarray


def place(
    table: LabelTable,
    picture: np.ndarray,
    frame: np.ndarray,
    config: AugmentConfig,
    rng: np.random.Generator,
    zoom: np.ndarray | float = 1.0,
) -> Placement:
    """Randomly scale, rotate, mirror and shift images (M,) into frames (M, 4).

    An image larger than its frame is shifted so that one of its people is inside.
    """
    count, size = len(picture), table.sizes[picture]
    fitting = (frame[:, 2:] / size).min(axis=1)
    scale = zoom * fitting * np.exp(rng.uniform(math.log(config.scale[0]), math.log(config.scale[1]), count))
    degrees = rng.uniform(-config.rotation, config.rotation, count)
    angle = np.radians(np.where(rng.random(count) < config.rotated, degrees, 0.0))
    mirrored = rng.random(count) < config.flip
    cos, sin, sign = scale * np.cos(angle), scale * np.sin(angle), np.where(mirrored, -1, 1)
    linear = np.stack([np.stack([sign * cos, -sin], axis=-1), np.stack([sign * sin, cos], axis=-1)], axis=1)
    focus, target = _focus(table, picture, frame[:, 2:], scale, rng)
    shift = target + frame[:, :2] - (linear @ focus[..., None])[..., 0]
    return Placement(picture, frame, np.concatenate([linear, shift[..., None]], axis=2), scale, mirrored)


def _focus(
    table: LabelTable, picture: np.ndarray, frame: np.ndarray, scale: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A point (M, 2) in each image, and its position in the frame of size (M, 2: width, height)."""
    count, size = len(picture), table.sizes[picture]
    spare = frame - scale[:, None] * size
    first, people = table.first_person[picture], np.diff(table.first_person)[picture]
    chosen = first + (rng.random(count) * people).astype(int)
    inner, target, loose = rng.uniform((0.2, 0.25, -0.5), (0.8, 0.75, 0.5), (2, count, 3)).transpose(2, 1, 0)
    free = spare >= 0
    held = ((people > 0) & ~free.all(axis=1))[:, None]
    boxes = np.zeros((count, 4), np.float32)
    boxes[people > 0] = table.boxes[chosen[people > 0]]
    # along a side where the whole image fits, it stays inside
    focus = np.where(held & ~free, boxes[:, :2] + boxes[:, 2:] * inner, size / 2)
    loosely = frame / 2 + spare * loose
    return focus, np.where(held, np.where(free, frame / 2, frame * target), loosely)


def moved_people(table: LabelTable, placement: Placement, flip: np.ndarray) -> People:
    """The labels of placed images; `flip` (K,) is the index of each joint's mirror image.

    Joints outside the frame become unlabelled. People without a joint inside the frame become ignore regions if part of
    their box is inside.
    """
    rows, part = table.people_of(placement.picture)
    matrix = placement.matrix[part]
    keypoints = table.keypoints[rows]
    keypoints[..., :2] = keypoints[..., :2] @ matrix[:, :, :2].transpose(0, 2, 1) + matrix[:, None, :, 2]
    mirrored = placement.mirrored[part]
    keypoints[mirrored] = keypoints[mirrored][:, flip]
    low, high = _corners(placement.frame[part])
    inside = ((keypoints[..., :2] >= low[:, None]) & (keypoints[..., :2] < high[:, None])).all(axis=-1)
    keypoints[..., 2] *= inside
    boxes, share = _moved_boxes(table.boxes[rows], matrix, low, high)
    kept = (keypoints[..., 2] > 0).any(axis=-1)
    lost = ~kept & (share > _LEAST_LOST)
    ignored, ignore_part = table.ignored_in(placement.picture)
    frames = _corners(placement.frame[ignore_part])
    ignore, ignore_share = _moved_boxes(table.ignore[ignored], placement.matrix[ignore_part], *frames)
    seen = ignore_share > _LEAST_IGNORED
    areas = table.areas[rows] * placement.scale[part] ** 2
    return People(
        keypoints[kept],
        boxes[kept],
        areas[kept].astype(np.float32),
        part[kept],
        np.concatenate([ignore[seen], boxes[lost]]),
        np.concatenate([ignore_part[seen], part[lost]]),
    )


def _corners(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return boxes[:, :2], boxes[:, :2] + boxes[:, 2:]


def _moved_boxes(
    boxes: np.ndarray, matrix: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Axis-aligned boxes (N, 4) of moved boxes, clipped to frames from `low` to `high` (N, 2), and the share inside."""
    start, end = _corners(boxes)
    corners = np.stack([start, end, np.stack([start[:, 0], end[:, 1]], 1), np.stack([end[:, 0], start[:, 1]], 1)], 1)
    corners = corners @ matrix[:, :, :2].transpose(0, 2, 1) + matrix[:, None, :, 2]
    start, end = corners.min(axis=1), corners.max(axis=1)
    whole = np.maximum((end - start).prod(axis=1), 1e-6)
    start, end = np.clip(start, low, high), np.clip(end, low, high)
    return np.concatenate([start, end - start], axis=1).astype(np.float32), (end - start).prod(axis=1) / whole
