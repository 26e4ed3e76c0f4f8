"""A scene as triangles in camera axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Stage:
    """Triangles of people and props. Owners 0 .. people-1 are people; props follow.

    Attributes:
        points: (V, 3) float32 metres, in camera axes (x right, y down, z forward). normals: (V, 3) unit vectors.
        coordinates: (V, 4) body coordinates of `anatomy.py`. rests: (V, 3) points on an average adult at rest.
        faces: (F, 3) int32. owners: (F,) int32. parts: (F,) int32 of `shading.py`.
        materials: structured array of `shading.Material.numpy_dtype()`, one record per owner.
    """

    points: np.ndarray
    normals: np.ndarray
    coordinates: np.ndarray
    rests: np.ndarray
    faces: np.ndarray
    owners: np.ndarray
    parts: np.ndarray
    materials: np.ndarray

    @classmethod
    def join(cls, stages: Sequence[Stage]) -> Stage:
        """One stage from several; their owners are numbered consecutively."""
        fields = {name: [getattr(stage, name) for stage in stages] for name in cls.__dataclass_fields__}
        vertices = np.cumsum([0] + [len(stage.points) for stage in stages])
        owners = np.cumsum([0] + [len(stage.materials) for stage in stages])
        fields["faces"] = [f + first for f, first in zip(fields["faces"], vertices, strict=False)]
        fields["owners"] = [o + first for o, first in zip(fields["owners"], owners, strict=False)]
        return cls(**{name: np.concatenate(parts) for name, parts in fields.items()})
