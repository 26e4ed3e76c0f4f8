"""The targets of `fit`: keypoints, boxes and cameras as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Target:
    """The targets of N bodies, all in pixels."""

    points: torch.Tensor  # (N, 17, 2)
    visibility: torch.Tensor  # (N, 17) COCO's v
    boxes: torch.Tensor  # (N, 4) left, top, right, bottom
    cut: torch.Tensor  # (N, 4) bool: the image's edge is this side of the box
    size: torch.Tensor  # (N,) root of the box's area
    focal: torch.Tensor  # (N,)
    centre: torch.Tensor  # (N, 2)
    up: torch.Tensor  # (N, 3) unit vectors

    @classmethod
    def of(cls, *arrays: np.ndarray) -> Target:
        """The targets from the arguments of `fit`, in the same order."""
        points, corner_size, focal, centre, frame, up = (torch.tensor(np.asarray(a, np.float32)) for a in arrays)
        near, far = corner_size[:, :2], corner_size[:, :2] + corner_size[:, 2:]
        margin = 0.01 * frame.amax(dim=-1, keepdim=True)
        cut = torch.cat((near <= margin, far >= frame - margin), dim=-1)
        size = corner_size[:, 2:].prod(dim=-1).clamp(min=1).sqrt()
        return cls(points[..., :2], points[..., 2], torch.cat((near, far), dim=-1), cut, size, focal, centre, up)

    def __getitem__(self, chosen: torch.Tensor | slice) -> Target:
        return Target(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))
