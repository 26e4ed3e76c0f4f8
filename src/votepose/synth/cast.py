"""People posed in front of a camera, from layouts or free crowds, to be rendered by the studio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from votepose.synth.body import Body, Shapes


@dataclass(frozen=True)
class Camera:
    """A pinhole camera above a floor.

    Attributes:
        width, height: size of the image in pixels.
        focal: focal length in pixels; the principal point is the image's middle.
        tilt: radians below the horizontal.
        floor: metres from the camera down to the floor.
    """

    width: int
    height: int
    focal: float
    tilt: float
    floor: float

    @property
    def centre(self) -> tuple[float, float]:
        """The principal point, pixels."""
        return self.width / 2, self.height / 2

    @property
    def turn(self) -> np.ndarray:
        """(3, 3) rotation from a level camera's axes (x right, y down, z forward) to this camera's."""
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        return np.array([[1, 0, 0], [0, c, -s], [0, s, c]], np.float32)

    @property
    def up(self) -> np.ndarray:
        """(3,) the floor's normal in camera axes."""
        return -self.turn[:, 1]

    @property
    def horizon(self) -> float:
        """The row of the floor's horizon, as a fraction of the height; may lie outside the image."""
        return float(0.5 - np.tan(self.tilt) * self.focal / self.height)

    def project(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) camera axes -> (..., 2) pixels."""
        return points[..., :2] / np.maximum(points[..., 2:], 1e-3) * self.focal + self.centre


@dataclass(frozen=True)
class Cast:
    """N people in front of a camera.

    Attributes:
        camera: the camera.
        phenotypes: (N, P) parameters in [0, 1], see `Body.phenotypes`. shapes: the N bodies with these phenotypes.
        angles: (N, D) radians.
        turns: (N, 3, 3) rotations from the bodies' axes to the camera's. places: (N, 3) positions of the bodies'
            origins, in metres.
        scales: (N,) factors that enlarge bodies about their origins.
    """

    camera: Camera
    phenotypes: np.ndarray
    shapes: Shapes
    angles: np.ndarray
    turns: np.ndarray
    places: np.ndarray
    scales: np.ndarray

    def __len__(self) -> int:
        return len(self.places)

    def keypoints(self, body: Body) -> np.ndarray:
        """(N, 17, 3) metres in camera axes, without a mesh."""
        maps = body.maps(self.shapes, torch.as_tensor(self.angles, dtype=torch.float32))
        joints = body.keypoints(self.shapes, maps).numpy()
        return np.einsum("nij,nkj->nki", self.turns * self.scales[:, None, None], joints) + self.places[:, None]


def random_phenotypes(names: Sequence[str], count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, P): people of all ages, builds and origins, most of them adults of average build."""
    values = np.clip(rng.normal(0.5, 0.17, (count, len(names))), 0, 1)
    column = {name: k for k, name in enumerate(names)}
    values[:, column["gender"]] = np.clip(rng.choice([0.0, 1.0], count) + rng.normal(0, 0.12, count), 0, 1)
    adult, child = rng.uniform(0.6, 0.95, count), rng.uniform(0.2, 0.5, count)  # anny's ages: 1/3 a child's, 2/3 young
    values[:, column["age"]] = np.where(rng.random(count) < 0.85, adult, child)
    values[:, column["weight"]] = np.clip(rng.normal(0.5, 0.25, count), 0, 1)
    origins = rng.dirichlet([0.4, 0.4, 0.4], count)
    for k, name in enumerate(("african", "asian", "caucasian")):
        values[:, column[name]] = origins[:, k]
    return values.astype(np.float32)
