"""Images of one person with a dot of its own colour on each joint, so that a test can find joints in pixels."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from votepose.data.loader import Batch
from votepose.data.sample import Sample
from votepose.letterbox import FILL
from votepose.skeleton import Skeleton

PAIR = Skeleton(("nose", "left_hand", "right_hand"), (), (0.1, 0.1, 0.1))
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))  # of nose, left hand, right hand
EDGE = 14  # pixels: a dot and its smoothing


def dotted(number: int, width: int = 240, height: int = 180, complete: bool = True) -> Sample:
    """A grey image with three dots far from one another, and an ignore region."""
    rng = np.random.default_rng(number)
    image = np.full((height, width, 3), FILL, np.uint8)
    points = np.array([(0.2, 0.3), (0.75, 0.25), (0.5, 0.75)]) * (width, height) + rng.uniform(-15, 15, (3, 2))
    for point, colour in zip(points, COLOURS, strict=True):
        x, y = np.rint((point - 0.5) * 16).astype(int).tolist()
        cv2.circle(image, (x, y), 7 * 16, colour, -1, cv2.LINE_AA, 4)
    box = np.array([[*points.min(axis=0), *np.ptp(points, axis=0)]], np.float32)
    keypoints = np.concatenate([points, np.full((3, 1), 2)], axis=1)[None].astype(np.float32)
    ignore = np.array([[40, 20, 60, 80]], np.float32)
    return Sample(number, f"{number}.png", image, keypoints, box, np.array([1000], np.float32), ignore, complete)


def centre(image: Tensor, k: int, near: Tensor) -> Tensor:
    """Where the dot of joint k near a place is: its centre of mass, in pixels."""
    rest = [c for c in range(3) if c != k]
    strength = (image[k].double() - image[rest].double().amax(dim=0) - 30).clamp(min=0)
    at = torch.arange(image.shape[-1]) + 0.5
    strength[(at - near[0]) ** 2 + (at[:, None] - near[1]) ** 2 > 20**2] = 0
    assert strength.sum() > 0
    return torch.stack([(strength * at).sum(), (strength * at[:, None]).sum()]) / strength.sum()


def check(batch: Batch, mirrored: bool = False, seam: tuple[float, float] | None = None) -> int:
    """Joints well inside lie on a dot of their colour, of the opposite one in mirrored inputs; how many there are.

    `seam` are the least and greatest x and y at which images of a mosaic meet, where dots are cut.
    """
    count = 0
    for person, index in zip(batch.keypoints, batch.image_index.tolist(), strict=True):
        for k, (x, y, v) in enumerate(person):
            cut = seam is not None and any(seam[0] - EDGE < z < seam[1] + EDGE for z in (x, y))
            if v and not cut and min(x, y) > EDGE and max(x, y) < batch.images.shape[-1] - EDGE:
                found = centre(batch.images[index], int(PAIR.flip[k]) if mirrored else k, person[k, :2])
                assert (found - person[k, :2]).norm() < 1
                count += 1
    return count
