"""Pictures and people, changed together: scale, rotation, flip, crop, colour, mosaics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from votepose.data.augment_config import AugmentConfig
from votepose.data.coco import Sample
from votepose.letterbox import FILL
from votepose.skeleton import Skeleton


def augment(
    sample: Sample,
    size: tuple[int, int],
    config: AugmentConfig,
    rng: np.random.Generator,
    skeleton: Skeleton,
    zoom: float = 1.0,
) -> Sample:
    """The sample warped once into `size` (width, height) and recoloured, without people who left the frame."""
    height, width = sample.image.shape[:2]
    scale = zoom * min(size[0] / width, size[1] / height) * math.exp(rng.uniform(*np.log(config.scale)))
    angle = math.radians(rng.uniform(-config.rotation, config.rotation)) if rng.random() < config.rotated else 0.0
    mirrored = rng.random() < config.flip
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    linear = np.array([[-cos if mirrored else cos, -sin], [-sin if mirrored else sin, cos]], np.float32)
    focus, place = _focus(sample, scale, size, rng)
    matrix = np.concatenate([linear, (place - linear @ focus)[:, None]], axis=1).astype(np.float32)
    image = _warped(sample.image, matrix, scale, size)
    return _moved(sample, recolour(image, config, rng), matrix, scale, skeleton if mirrored else None)


def _warped(image: np.ndarray, matrix: np.ndarray, scale: float, size: tuple[int, int]) -> np.ndarray:
    """The image moved by `matrix` into `size`; shrunk by areas first, because warpAffine itself would alias."""
    shifted = matrix.copy()
    if scale < 1:
        height, width = image.shape[:2]
        small = max(1, round(width * scale)), max(1, round(height * scale))
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        shifted[:, :2] *= np.array([width / small[0], height / small[1]], np.float32)
    # cv2 puts pixel centres at integers; here they lie at halves
    shifted[:, 2] += shifted[:, :2] @ np.array([0.5, 0.5], np.float32) - 0.5
    return cv2.warpAffine(image, shifted, size, flags=cv2.INTER_LINEAR, borderValue=(FILL, FILL, FILL))


def _focus(
    sample: Sample, scale: float, size: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A point of the picture and where in the frame it goes. A zoomed picture is held by one of its people."""
    height, width = sample.image.shape[:2]
    frame = np.array(size, np.float32)
    spare = frame - scale * np.array([width, height], np.float32)
    middle = np.array([width, height], np.float32) / 2
    if (spare >= 0).all() or not len(sample.boxes):
        return middle, frame / 2 + spare * rng.uniform(-0.5, 0.5, 2).astype(np.float32)
    box = sample.boxes[rng.integers(len(sample.boxes))]
    focus = box[:2] + box[2:] * rng.uniform(0.2, 0.8, 2)
    place = frame * rng.uniform(0.25, 0.75, 2)
    # along a side where the whole picture fits, keep it inside
    free = spare >= 0
    return np.where(free, middle, focus).astype(np.float32), np.where(free, frame / 2, place).astype(np.float32)


def _moved(sample: Sample, image: np.ndarray, matrix: np.ndarray, scale: float, mirrored: Skeleton | None) -> Sample:
    height, width = image.shape[:2]
    keypoints = sample.keypoints.copy()
    keypoints[..., :2] = keypoints[..., :2] @ matrix[:, :2].T + matrix[:, 2]
    if mirrored is not None:
        keypoints = keypoints[:, mirrored.flip]
    outside = (keypoints[..., :2] < 0).any(-1) | (keypoints[..., 0] >= width) | (keypoints[..., 1] >= height)
    keypoints[outside, 2] = 0
    boxes, share = _moved_boxes(sample.boxes, matrix, width, height)
    ignore, ignore_share = _moved_boxes(sample.ignore, matrix, width, height)
    kept = (keypoints[..., 2] > 0).any(-1)
    lost = boxes[~kept & (share > 0.05)]
    areas = sample.areas * scale**2
    return replace(
        sample,
        image=image,
        keypoints=keypoints[kept],
        boxes=boxes[kept],
        areas=areas[kept],
        ignore=np.concatenate([ignore[ignore_share > 0.01], lost]),
    )


def _moved_boxes(boxes: np.ndarray, matrix: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Upright hulls of moved boxes, cut to the frame, and the share of each that is left."""
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    corners = np.stack([low, high, np.stack([low[:, 0], high[:, 1]], 1), np.stack([high[:, 0], low[:, 1]], 1)], axis=1)
    corners = corners @ matrix[:, :2].T + matrix[:, 2]
    low, high = corners.min(axis=1), corners.max(axis=1)
    whole = np.maximum((high - low).prod(axis=1), 1e-6)
    low, high = np.clip(low, 0, (width, height)), np.clip(high, 0, (width, height))
    return np.concatenate([low, high - low], axis=1).astype(np.float32), (high - low).prod(axis=1) / whole


def recolour(image: np.ndarray, config: AugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast, colour balance, grey and blur; (height, width, 3) uint8."""
    if config.colour:
        gain = math.exp(rng.normal(0, config.colour)) * np.exp(rng.normal(0, config.colour / 4, 3))
        table = np.clip((np.arange(256)[:, None] - 128) * gain + 128 + rng.normal(0, 128 * config.colour / 2), 0, 255)
        image = cv2.LUT(image, table.astype(np.uint8)[None])
    if rng.random() < config.grey:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < config.blur:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.6))
    return image


def mosaic(
    samples: Sequence[Sample], size: int, config: AugmentConfig, rng: np.random.Generator, skeleton: Skeleton
) -> Sample:
    """Four samples in one square, about a random middle: single people become crowds."""
    x, y = (int(v) for v in rng.uniform(0.35, 0.65, 2) * size)
    canvas = np.empty((size, size, 3), np.uint8)
    frames = ((0, 0, x, y), (x, 0, size - x, y), (0, y, x, size - y), (x, y, size - x, size - y))
    parts = []
    for sample, (left, top, width, height) in zip(samples, frames, strict=True):
        part = augment(sample, (width, height), config, rng, skeleton, zoom=1.2)
        canvas[top : top + height, left : left + width] = part.image
        keypoints, boxes, ignore = part.keypoints.copy(), part.boxes.copy(), part.ignore.copy()
        keypoints[..., :2] += (left, top)
        boxes[:, :2] += (left, top)
        ignore[:, :2] += (left, top)
        parts.append(replace(part, keypoints=keypoints, boxes=boxes, ignore=ignore))
    return replace(
        parts[0],
        image=canvas,
        keypoints=np.concatenate([p.keypoints for p in parts]),
        boxes=np.concatenate([p.boxes for p in parts]),
        areas=np.concatenate([p.areas for p in parts]),
        ignore=np.concatenate([p.ignore for p in parts]),
        complete=all(p.complete for p in parts),
    )
