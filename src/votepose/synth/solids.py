"""Simple surfaces: grids of triangles, rounded boxes, tubes."""

from __future__ import annotations

import numpy as np
import torch


def grid_faces(rows: int, columns: int, closed: bool) -> np.ndarray:
    """(F, 3) triangles of a (rows, columns) grid of points; `closed` joins the last column to the first."""
    row, column = np.mgrid[: rows - 1, : columns if closed else columns - 1].reshape(2, -1)
    after = (column + 1) % columns
    a, b, c, d = (
        row * columns + column,
        row * columns + after,
        (row + 1) * columns + column,
        (row + 1) * columns + after,
    )
    return np.concatenate([np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)]).astype(np.int32)


def rounded_box(half: tuple[float, float, float], roundness: float, steps: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """A superellipsoid: an ellipsoid at roundness 1, nearly a box at 0.2, with half axes `half` in metres.

    Returns:
        (V, 3) points about the origin, (F, 3) triangles.
    """
    latitude = np.linspace(-np.pi / 2, np.pi / 2, steps)[:, None]
    longitude = np.linspace(-np.pi, np.pi, 2 * steps, endpoint=False)[None]
    c, s = (_signed_power(f(latitude), roundness) for f in (np.cos, np.sin))
    cx, cy = (_signed_power(f(longitude), roundness) for f in (np.cos, np.sin))
    points = np.stack(np.broadcast_arrays(c * cx, c * cy, s * np.ones_like(cx)), axis=-1) * half
    return points.reshape(-1, 3), grid_faces(steps, 2 * steps, closed=True)


def tube(radius: float, height: float, taper: float = 1.0, steps: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """A closed cylinder (taper 1) or cone about z, with its foot at the origin."""
    around = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    circle = np.stack([np.cos(around), np.sin(around)], axis=1) * radius
    rings = [(0.0, 0.0), (1.0, 0.0), (taper, height), (0.0, height)]
    points = np.concatenate([np.column_stack([circle * scale, np.full(steps, z)]) for scale, z in rings])
    return points, grid_faces(4, steps, closed=True)


def vertex_normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals, averaged over the faces by area."""
    corners = torch.as_tensor(faces, dtype=torch.int64)
    a, b, c = torch.as_tensor(points, dtype=torch.float32)[corners].unbind(1)
    across = torch.linalg.cross(b - a, c - a)
    normals = torch.zeros(len(points), 3)
    for k in range(3):
        normals.index_add_(0, corners[:, k], across)
    return torch.nn.functional.normalize(normals, dim=1).numpy()


def _signed_power(values: np.ndarray, power: float) -> np.ndarray:
    return np.sign(values) * np.abs(values) ** power
