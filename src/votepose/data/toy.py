"""Synthetic stick figures, for tests without photographs: a colour per side, exact keypoints, true occlusion."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from votepose.data.labelled import LabelledDataset
from votepose.data.sample import Sample
from votepose.skeleton import COCO_17

_SHIFT = 4  # fractional bits of cv2's drawing coordinates
_K = {name: k for k, name in enumerate(COCO_17.names)}
# limbs from back to front: ends, half the width relative to the body's height
_LIMBS = (
    ("hip", "knee", 0.045),
    ("knee", "ankle", 0.035),
    ("shoulder", "hip", 0.05),
    ("shoulder", "elbow", 0.035),
    ("elbow", "wrist", 0.028),
)


def synthetic_dataset(count: int, size: int = 256, people: tuple[int, int] = (1, 4), seed: int = 0) -> LabelledDataset:
    """Draw `count` images of `size` x `size` pixels with people[0]..people[1] figures each (COCO_17).

    Joints covered by another figure have v = 1, joints outside the image v = 0. Image i depends only on the seed and i.
    """
    samples = [_draw_picture(i + 1, size, people, np.random.default_rng((seed, i))) for i in range(count)]
    return LabelledDataset(samples, COCO_17)


def _draw_picture(image_id: int, size: int, people: tuple[int, int], rng: np.random.Generator) -> Sample:
    image = _background(size, rng)
    owner = np.zeros((size, size), np.uint8)  # topmost figure at each pixel; 0 is background
    bodies = [_random_pose(size, rng) for _ in range(rng.integers(people[0], people[1], endpoint=True))]
    keypoints, boxes, areas, masks = [], [], [], []
    for number, body in enumerate(bodies, start=1):
        mask = np.zeros((size, size), np.uint8)
        draw_figure(image, mask, body, rng)
        owner[mask > 0] = number
        masks.append(mask)
    for number, body in enumerate(bodies, start=1):
        inside = np.all((body >= 0) & (body < size), axis=1)
        ys, xs = np.nonzero(owner == number)
        if not inside.any() or not len(xs):
            continue
        column, row = body.clip(0, size - 1).astype(int).T
        v = np.where(inside, np.where(owner[row, column] == number, 2, 1), 0)
        keypoints.append(np.concatenate([body * inside[:, None], v[:, None]], axis=1))
        hull = np.concatenate([body[inside], np.stack([xs, ys], axis=1)])
        boxes.append([*hull.min(axis=0), *np.ptp(hull, axis=0)])
        areas.append(np.count_nonzero(masks[number - 1]))
    return Sample(
        image_id,
        f"{image_id:06d}.png",
        image,
        np.array(keypoints, np.float32).reshape(-1, len(COCO_17), 3),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(areas, np.float32),
        np.zeros((0, 4), np.float32),
    )


def _background(size: int, rng: np.random.Generator) -> np.ndarray:
    """Blotches and grain, darker than the figures."""
    coarse = cv2.resize(rng.uniform(30, 130, (6, 6, 3)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    return (coarse + rng.normal(0, 8, (size, size, 3))).clip(0, 255).astype(np.uint8)


def _random_pose(size: int, rng: np.random.Generator) -> np.ndarray:
    """(17, 2) joints of a person facing the camera, whose left side is on the right."""
    points = np.zeros((17, 2))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        shoulder, hip = np.array([0.11 * sign, -0.28]), np.array([0.08 * sign, 0.0])
        arm, leg = rng.uniform(-0.3, 2.6), rng.uniform(-0.15, 0.7)
        chain = (
            (shoulder, arm, arm + rng.uniform(-0.2, 1.2), 0.17, 0.15, ("shoulder", "elbow", "wrist")),
            (hip, leg, leg - rng.uniform(0, 0.7), 0.24, 0.23, ("hip", "knee", "ankle")),
        )
        for start, first, second, upper, lower, names in chain:
            middle = start + upper * np.array([sign * np.sin(first), np.cos(first)])
            end = middle + lower * np.array([sign * np.sin(second), np.cos(second)])
            for name, point in zip(names, (start, middle, end), strict=True):
                points[_K[f"{side}_{name}"]] = point
        points[_K[f"{side}_eye"]] = (0.025 * sign, -0.44)
        points[_K[f"{side}_ear"]] = (0.055 * sign, -0.43)
    points[_K["nose"]] = (0, -0.41)
    angle = rng.normal(0, 0.15)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    height = size * rng.uniform(0.35, 0.85)
    return points @ turn.T * height + size * rng.uniform((0.15, 0.35), (0.85, 0.65))


def draw_figure(image: np.ndarray, mask: np.ndarray, body: np.ndarray, rng: np.random.Generator) -> None:
    """Paint a person into `image`, and their silhouette into `mask`."""
    neck, hips = body[[5, 6]].mean(axis=0), body[[11, 12]].mean(axis=0)
    height = float(np.hypot(*(hips - neck))) / 0.28
    cloth = rng.uniform(120, 180, 3)
    tints = {"left": cloth + np.array([75, -20, -60]), "right": cloth + np.array([-60, -20, 75])}
    _line(image, mask, neck, hips, 0.09 * height, cloth)
    for first, second, width in _LIMBS:
        for side, tint in tints.items():
            _line(image, mask, body[_K[f"{side}_{first}"]], body[_K[f"{side}_{second}"]], width * height, tint)
    head = body[:5].mean(axis=0)
    _line(image, mask, head, neck, 0.03 * height, (225, 180, 150))
    _line(image, mask, head, head, 0.065 * height, (225, 180, 150))
    for k, colour in enumerate(((200, 110, 90), tints["left"], tints["right"], tints["left"], tints["right"])):
        _line(image, mask, body[k], body[k], max(0.5, 0.012 * height), colour)


def _line(image: np.ndarray, mask: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float, colour: Any) -> None:
    # cv2's pixel centres are at integers; ours are at half-integers
    ends: list[list[int]] = [np.rint((p - 0.5) * 2**_SHIFT).astype(int).tolist() for p in (start, end)]
    for target, value in ((image, tuple(np.clip(colour, 0, 255).tolist())), (mask, 255)):
        line = cv2.LINE_AA if target is image else cv2.LINE_8
        cv2.line(target, ends[0], ends[1], value, max(1, round(2 * radius)), line, _SHIFT)
        for point in ends:
            cv2.circle(target, point, round(radius * 2**_SHIFT), value, -1, line, _SHIFT)
