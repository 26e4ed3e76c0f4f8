"""Attachments, meshes that are not part of the body: long hair, brims, skirts, backpacks.

The points of each are tied to vertices of the body at rest, so it fits every body shape and is posed by the same bones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from votepose.synth.body import Body
from votepose.synth.dress import Look
from votepose.synth.shading import BAG, HAIR, HAT, SKIRT
from votepose.synth.solids import grid_faces, rounded_box

_STEPS = 24


@dataclass(frozen=True)
class Attachment:
    """A mesh of A points on a body.

    Attributes:
        anchors: (A,) vertices of the body. offsets: (A, 3) metres from them, for an average adult at rest.
        weights: (A, B) skinning weights. faces: (F, 3). part: of `shading.py`. place: (A, 4) body coordinates.
    """

    anchors: np.ndarray
    offsets: np.ndarray
    weights: np.ndarray
    faces: np.ndarray
    part: int
    place: np.ndarray


class Tailor:
    """Makes attachments for looks."""

    def __init__(self, body: Body, coordinates: np.ndarray) -> None:
        self._rest, self._bones, self._coordinates = body.rest, body.bones, coordinates
        limbs = (coordinates[:, 0] > 0.0) | (coordinates[:, 2] > 1.0)
        self._trunk = np.flatnonzero(~limbs)
        self._head = np.flatnonzero(coordinates[:, 2] > 1.25)

    def attachments(self, look: Look) -> list[Attachment]:
        """All attachments of a look."""
        made = []
        if look.hair_length:
            made.append(self._long_hair(look.hair_length, look.hair))
        if look.headgear in ("cap", "brim"):
            made.append(self._brim(whole=look.headgear == "brim"))
        if look.skirt:
            made.append(self._skirt(float(look.material["waist"]), look.skirt))
        if look.backpack:
            made.append(self._backpack())
        return made

    def _long_hair(self, length: float, thickness: float) -> Attachment:
        angle = np.radians(np.linspace(-100, 100, _STEPS))[None]
        down = np.linspace(0, 1, 10)[:, None]
        z = 0.775 - down * (0.1 + length) + 0 * angle
        radius = 0.078 + thickness + 0.025 * np.minimum(1, 3 * down) + 0.02 * down
        x, y = radius * np.sin(angle), -0.035 + (radius * 1.12 + 0.02 * down) * np.cos(angle)
        points = np.stack([x, y, z], axis=-1).reshape(-1, 3)
        low = np.clip((0.62 - points[:, 2]) / 0.25, 0, 0.7)[:, None]
        weights = (1 - low) * self._bone("head") + low * self._bone("spine01")
        return self._ride(points, self._head, weights, grid_faces(10, _STEPS, closed=False), HAIR)

    def _brim(self, whole: bool) -> Attachment:
        reach = 180 if whole else 65
        angle = np.radians(np.linspace(-reach, reach, _STEPS))[None]
        out = np.array([0.0, 0.5, 1.0])[:, None]
        width = 0.075 * (1 if whole else np.maximum(np.cos(angle * 90 / reach), 0) ** 0.4)
        radius = 0.088 + out * width
        x, y = radius * 0.92 * np.sin(angle), -0.045 - radius * 1.1 * np.cos(angle)
        z = 0.752 - 0.018 * out + 0 * angle - 0.3 * (y + 0.045) * 0.2
        points = np.stack([x, y, z], axis=-1).reshape(-1, 3)
        weights = np.tile(self._bone("head"), (len(points), 1))
        return self._ride(points, self._head, weights, grid_faces(3, _STEPS, closed=False), HAT)

    def _skirt(self, waist: float, length: float) -> Attachment:
        trunk = self._coordinates[:, 2]
        belt = np.flatnonzero(np.abs(trunk - waist) < 0.05)
        seat = np.flatnonzero((np.abs(trunk + 0.1) < 0.12) & (self._coordinates[:, 0] < 0))
        angle = np.linspace(0, 2 * np.pi, _STEPS, endpoint=False)
        tight, wide = self._reach(belt, angle), self._reach(seat, angle)
        top = self._rest[belt, 2].mean()
        bottom = 0.015 - length * 0.745
        rows = []
        for share in np.linspace(0, 1, 9):
            z = top + share * (bottom - top)
            blend = np.clip((top - z) / max(top - 0.0, 0.05), 0, 1)
            radius = (1 - blend) * (tight + 0.006) + blend * (wide + 0.012) + 0.08 * share
            rows.append(np.column_stack([radius * np.sin(angle), -0.02 - radius * np.cos(angle), np.full(_STEPS, z)]))
        points = np.concatenate(rows)
        swing = np.clip((0.06 - points[:, 2]) / 0.2, 0, 0.9)[:, None]
        left = np.clip(0.5 + points[:, :1] / 0.16, 0, 1)
        thighs = left * self._bone("upperleg01.L") + (1 - left) * self._bone("upperleg01.R")
        weights = (1 - swing) * self._bone("root") + swing * thighs
        return self._ride(points, self._trunk, weights, grid_faces(9, _STEPS, closed=True), SKIRT)

    def _backpack(self) -> Attachment:
        points, faces = rounded_box((0.14, 0.085, 0.2), 0.45)
        points = points + np.array([0.0, 0.165, 0.3])
        weights = np.tile(self._bone("spine02"), (len(points), 1))
        return self._ride(points, self._trunk, weights, faces, BAG)

    def _reach(self, vertices: np.ndarray, angle: np.ndarray) -> np.ndarray:
        """Maximum distance of the vertices from the trunk's axis in each direction (0 is forward)."""
        flat = self._rest[vertices, :2] - (0.0, -0.02)
        directions = np.stack([np.sin(angle), -np.cos(angle)])
        return (flat @ directions).max(axis=0)

    def _bone(self, name: str) -> np.ndarray:
        return np.eye(len(self._bones), dtype=np.float32)[self._bones.index(name)]

    def _ride(
        self, points: np.ndarray, on: np.ndarray, weights: np.ndarray, faces: np.ndarray, part: int
    ) -> Attachment:
        distances = torch.cdist(torch.as_tensor(points, dtype=torch.float32), torch.as_tensor(self._rest[on]))
        anchors = on[distances.argmin(dim=1).numpy()]
        return Attachment(
            anchors,
            (points - self._rest[anchors]).astype(np.float32),
            weights.astype(np.float32),
            faces,
            part,
            self._coordinates[anchors],
        )
