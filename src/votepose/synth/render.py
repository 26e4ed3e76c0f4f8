"""Renders a scene by ray tracing: colours, the owner of each pixel, and the occluder of a joint.

Camera axes: x right, y down, z forward; metres. Colours are linear light.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp

from votepose.synth.rays import first_hit, trace
from votepose.synth.shading import Material
from votepose.synth.stage import Stage

BACKGROUND = -1


@dataclass(frozen=True)
class Rendering:
    """A rendered image, from `samples` x `samples` rays per pixel.

    Attributes:
        colour: (H, W, 3) float32 linear light of people and props; black where nothing was hit.
        cover: (H, W) float32: share of a pixel that people and props cover.
        shade: (H, W) float32: share of light that reaches the ground or wall behind them; 1 without shadow.
        owner: (H, W) int16: the person or prop that most rays hit, or BACKGROUND. Props come after the people.
        depth: (H, W) float32 metres along z of the middle ray; inf where nothing was hit.
    """

    colour: np.ndarray
    cover: np.ndarray
    shade: np.ndarray
    owner: np.ndarray
    depth: np.ndarray


class Renderer:
    """A stage prepared for ray tracing.

    Args:
        stage: people and props as triangles, in camera axes.
        device: Warp device, such as "cpu" or "cuda:0".
    """

    def __init__(self, stage: Stage, device: str = "cpu") -> None:
        self._stage, self._device = stage, device
        points = self._array(stage.points, wp.vec3)
        corners = self._array(stage.faces.ravel(), wp.int32)
        self._mesh = wp.Mesh(points=points, indices=corners)
        self._owners = self._array(stage.owners, wp.int32)

    def picture(
        self,
        width: int,
        height: int,
        focal: float,
        centre: tuple[float, float],
        light: Any,
        seed: int,
        samples: int = 2,
    ) -> Rendering:
        """Render the stage with a pinhole camera; focal length and principal point are in pixels."""
        stage, count = self._stage, width * height * samples**2
        colours = wp.zeros(count, dtype=wp.vec3, device=self._device)
        shades, depths = (wp.zeros(count, dtype=wp.float32, device=self._device) for _ in range(2))
        owner_of = wp.zeros(count, dtype=wp.int32, device=self._device)
        inputs = [
            self._mesh.id,
            self._mesh.indices,
            self._owners,
            self._array(stage.parts, wp.int32),
            self._array(stage.normals, wp.vec3),
            self._array(stage.coordinates, wp.vec4),
            self._array(stage.rests, wp.vec3),
            wp.array(stage.materials, dtype=Material, device=self._device),
            light,
            focal,
            centre[0],
            centre[1],
            width,
            samples,
            seed,
            colours,
            shades,
            owner_of,
            depths,
        ]
        wp.launch(trace, dim=count, inputs=inputs, device=self._device)
        return _gather(colours.numpy(), shades.numpy(), owner_of.numpy(), depths.numpy(), (height, width, samples))

    def first_hits(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) points -> (N,) owner of the first surface on the ray to each, or BACKGROUND; (N, 3) its position."""
        owner = wp.zeros(len(targets), dtype=wp.int32, device=self._device)
        point = wp.zeros(len(targets), dtype=wp.vec3, device=self._device)
        inputs = [self._mesh.id, self._owners, self._array(targets, wp.vec3), owner, point]
        wp.launch(first_hit, dim=len(targets), inputs=inputs, device=self._device)
        return owner.numpy(), point.numpy()

    def _array(self, values: np.ndarray, dtype: Any) -> Any:
        return wp.array(np.ascontiguousarray(values), dtype=dtype, device=self._device)


def _gather(
    colours: np.ndarray, shades: np.ndarray, owners: np.ndarray, depths: np.ndarray, shape: tuple[int, int, int]
) -> Rendering:
    """Combine the rays of each pixel."""
    height, width, samples = shape
    grid = (height, samples, width, samples)
    owners = owners.reshape(grid)
    cover = (owners >= 0).mean(axis=(1, 3), dtype=np.float32)
    colour = colours.reshape(*grid, 3).mean(axis=(1, 3)) / np.maximum(cover, 1e-6)[..., None]
    seen = shades.reshape(grid).mean(axis=(1, 3))
    middle = samples // 2
    return Rendering(
        colour, cover, seen, owners[:, middle, :, middle].astype(np.int16), depths.reshape(grid)[:, middle, :, middle]
    )
