"""Turns bodies, poses and looks into triangles in camera axes and exact keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from votepose.synth.anatomy import body_coordinates
from votepose.synth.attachments import Attachment, Tailor
from votepose.synth.body import Body, Shapes
from votepose.synth.dress import Look
from votepose.synth.shading import BODY, MATERIAL
from votepose.synth.solids import vertex_normals
from votepose.synth.stage import Stage


@dataclass(frozen=True)
class Figure:
    """One person in a scene: `stage` holds their triangles, `keypoints` (17, 3) is in metres in camera axes."""

    stage: Stage
    keypoints: np.ndarray


class Wardrobe:
    """Dresses and poses bodies; holds the data common to all bodies."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._coordinates = body_coordinates(body)
        self._tailor = Tailor(body, self._coordinates)

    def figures(
        self,
        shapes: Shapes,
        angles: np.ndarray,
        turns: np.ndarray,
        places: np.ndarray,
        looks: Sequence[Look],
        scales: np.ndarray | None = None,
    ) -> list[Figure]:
        """N dressed people.

        Args:
            shapes: N bodies. angles: (N, D) radians. looks: N.
            turns: (N, 3, 3) rotations from the body's axes to the camera's. places: (N, 3) positions of the hips'
                middle, in metres.
            scales: (N,) factors that enlarge bodies; 1 by default.
        """
        maps = self._body.maps(shapes, torch.as_tensor(angles, dtype=torch.float32))
        keypoints = self._body.keypoints(shapes, maps).numpy()
        scales = np.ones(len(looks)) if scales is None else scales
        figures = []
        for k, look in enumerate(looks):
            rest = shapes.vertices[k].numpy()
            rest = rest + self._ease(look)[:, None] * vertex_normals(rest, self._body.faces)
            skinned = self._body.skin(shapes[k : k + 1], maps[k : k + 1], torch.as_tensor(rest)[None])[0].numpy()
            turn, place = turns[k] * scales[k], places[k]
            worn = self._tailor.attachments(look)
            size = float(shapes.heights[k]) / float(np.ptp(self._body.rest[:, 2]))
            parts = [self._skin_stage(skinned @ turn.T + place, look)]
            parts += [self._worn(a, rest, size, maps[k].numpy(), turn, place) for a in worn]
            stage = Stage.join(parts)
            stage = replace(stage, owners=np.zeros_like(stage.owners))  # attachments belong to the person
            figures.append(Figure(stage, (keypoints[k] @ turn.T + place).astype(np.float32)))
        return figures

    def _ease(self, look: Look) -> np.ndarray:
        """(V,) distance in metres from the skin to the surface of clothes, hair and shoes."""
        arm, leg, trunk, hair = self._coordinates.T
        m = look.material
        top = (trunk > m["waist"]) & (trunk < m["neck"]) & (arm < m["sleeve"])
        bottom = ~top & (trunk <= m["waist"]) & (leg < m["leg"]) & (leg < m["shoe"])
        flare = np.clip(np.where(arm > 0, arm, 1 - trunk), 0.35, 1)  # tight at shoulders and collar, wide at the hems
        ease = np.where(top, look.top_ease * flare, 0.0) + np.where(bottom, look.bottom_ease, 0.0)
        ease = np.where(leg > m["shoe"], 0.012, ease)
        hat = {"none": 0.0, "helmet": 0.022}.get(look.headgear, 0.01)
        thick = np.maximum(look.hair if hat == 0 else 0.0, hat)
        scalp = np.clip((hair - m["hairline"]) / 0.02, 0, 1) if hat == 0 else np.clip((hair - 0.004) / 0.006, 0, 1)
        return np.where(hair > -0.05, scalp * thick, ease).astype(np.float32)

    def _skin_stage(self, points: np.ndarray, look: Look) -> Stage:
        faces = self._body.faces
        return Stage(
            points.astype(np.float32),
            vertex_normals(points, faces),
            self._coordinates,
            self._body.rest,
            faces,
            np.zeros(len(faces), np.int32),
            np.full(len(faces), BODY, np.int32),
            look.material[None],
        )

    def _worn(
        self, worn: Attachment, rest: np.ndarray, size: float, maps: np.ndarray, turn: np.ndarray, place: np.ndarray
    ) -> Stage:
        own = rest[worn.anchors] + size * worn.offsets
        blended = np.einsum("ab,bxc->axc", worn.weights, maps)
        points = np.einsum("axc,ac->ax", blended[..., :3], own) + blended[..., 3]
        points = (points @ turn.T + place).astype(np.float32)
        rests = self._body.rest[worn.anchors] + worn.offsets
        count = len(worn.faces)
        return Stage(
            points,
            vertex_normals(points, worn.faces),
            worn.place,
            rests.astype(np.float32),
            worn.faces,
            np.zeros(count, np.int32),
            np.full(count, worn.part, np.int32),
            np.zeros(0, MATERIAL),
        )
