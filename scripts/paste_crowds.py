"""Make images of dense crowds by pasting labelled people side by side, for `votepose train --stage focus`.

    python scripts/paste_crowds.py ../shared/data/coco-train out/crowds --count 300

Photographs seldom show a dense crowd whose people are labelled one by one (after Dwibedi et al., Cut, Paste and Learn,
ICCV 2017; here whole boxes are pasted). The images are for the focus head alone: the boxes are right, but other people
who are pasted with a box are unlabelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from votepose.data.coco_writer import write_coco
from votepose.data.labelled import LabelledDataset, load_labelled
from votepose.data.sample import Sample

_TALL = 80  # pixels: minimum height of the people who are pasted
_JOINTS = 8  # minimum number of their labelled joints
_HEIGHTS = (30, 140)  # pixels: range of their height in a crowd
_MARGIN = 0.1  # of a box, on each side


@dataclass(frozen=True)
class Config:
    data: tyro.conf.Positional[Path]
    """COCO folder or data.yaml whose people are pasted."""
    out: tyro.conf.Positional[Path]
    """Folder to write, in COCO format."""
    count: int = 300
    """Number of images."""
    size: int = 480
    """Side of the images, in pixels."""
    limit: int = 600
    """Use the people of the first N images."""
    seed: int = 0
    """Seed of the random choices."""


@dataclass(frozen=True)
class Person:
    """A person cut out of an image: pixels (h, w, 3), keypoints (K, 3) and box (4,) in them."""

    pixels: np.ndarray
    keypoints: np.ndarray
    box: np.ndarray


def people_of(samples: Sequence[Sample]) -> list[Person]:
    """The people who are tall enough and have enough labelled joints."""
    found = []
    for sample in samples:
        height, width = sample.image.shape[:2]
        for points, (x, y, w, h) in zip(sample.keypoints, sample.boxes, strict=True):
            if h < _TALL or h < w or (points[:, 2] > 0).sum() < _JOINTS:
                continue
            left, top = max(0, int(x - _MARGIN * w)), max(0, int(y - _MARGIN * h))
            right, bottom = min(width, int(x + w * (1 + _MARGIN))), min(height, int(y + h * (1 + _MARGIN)))
            moved = points - np.array([left, top, 0], np.float32)
            found.append(Person(sample.image[top:bottom, left:right], moved, np.array([x - left, y - top, w, h])))
    return found


def crowd(people: Sequence[Person], size: int, random: np.random.Generator, number: int) -> Sample:
    """A square image with rows of people, all about as tall, on a plain ground; some places stay empty."""
    canvas = np.full((size, size, 3), random.integers(0, 256, 3), np.uint8)
    tall, filled = int(random.integers(*_HEIGHTS)), random.uniform(0.4, 1.0)
    keypoints, boxes, top = [], [], 0
    same = people[random.integers(len(people))] if random.random() < 0.2 else None  # sometimes one person many times
    while top + tall <= size:
        left = 0
        while left < size:
            person = same or people[random.integers(len(people))]
            height = max(8, int(tall * random.uniform(0.8, 1.0)))
            scale = height / person.pixels.shape[0]
            width = max(4, round(person.pixels.shape[1] * scale))
            if left + width > size:
                break
            if random.random() < filled:
                small = Image.fromarray(person.pixels).resize((width, height), Image.Resampling.LANCZOS)
                canvas[top : top + height, left : left + width] = np.asarray(small)
                place = np.array([left, top], np.float32)
                points = person.keypoints.copy()
                points[:, :2] = np.where(points[:, 2:] > 0, points[:, :2] * scale + place, 0)
                keypoints.append(points)
                boxes.append(np.concatenate([person.box[:2] * scale + place, person.box[2:] * scale]))
            left += width
        top += tall
    sides = np.array(boxes, np.float32).reshape(-1, 4)
    points = np.array(keypoints, np.float32).reshape(-1, *people[0].keypoints.shape)
    none = np.zeros((0, 4), np.float32)
    return Sample(
        number, f"{number:05}.png", canvas, points, sides, sides[:, 2] * sides[:, 3] * 0.53, none, complete=False
    )


def main(config: Config) -> None:
    random = np.random.default_rng(config.seed)
    data = load_labelled(config.data, config.limit)
    people = people_of(data.samples)
    samples = [crowd(people, config.size, random, number) for number in range(1, config.count + 1)]
    write_coco(LabelledDataset(samples, data.skeleton), config.out)
    print(f"{config.out}: {config.count} images with {sum(len(s.boxes) for s in samples)} people, from {len(people)}")


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
