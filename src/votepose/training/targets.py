"""People -> training targets: the mirror of grouping.py (paper III-D, Fig. 2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_REACH = 2  # cells: a keypoint's disc never reaches further


@dataclass(frozen=True)
class TargetConfig:
    """How far around a keypoint its person's vector is asked for.

    Attributes:
        disc: radius as a share of the keypoint's OKS tolerance; 0 marks the keypoint's own cell alone (paper, Fig. 2).
    """

    disc: float = 0.4


@dataclass(frozen=True)
class Targets:
    """What every cell of a batch should answer.

    Attributes:
        presence: (B, h, w) 1 on keypoints, otherwise 0.
        owner: (B, h, w) int64 row of the person that the cell belongs to, -1 where nobody's.
    """

    presence: Tensor
    owner: Tensor


def paint(
    keypoints: Tensor,
    sizes: Tensor,
    image_index: Tensor,
    shape: tuple[int, int, int],
    kappas: Tensor,
    config: TargetConfig,
) -> Targets:
    """Mark the cells on labelled keypoints with their person; where two meet, the nearer keypoint has the cell.

    Args:
        keypoints: (N, K, 3) in cells, with COCO's v; v = 0 (unlabelled) marks nothing.
        sizes: (N,) root of each person's area, in cells.
        image_index: (N,) image of each person.
        shape: (B, h, w) of the map.
    """
    batch, height, width = shape
    person, joint = (keypoints[..., 2] > 0).nonzero(as_tuple=True)
    owner = torch.full((batch * height * width,), -1, dtype=torch.long, device=keypoints.device)
    if len(person):
        points = keypoints[person, joint, :2]
        radius = (config.disc * kappas[joint] * sizes[person]).clamp(0, _REACH)
        steps = torch.arange(-_REACH, _REACH + 1, device=keypoints.device)
        offsets = torch.cartesian_prod(steps, steps)
        own = points.floor()
        cells = own[:, None] + offsets  # (n, 25, 2), x first
        distance = (cells + 0.5 - points[:, None]).norm(dim=-1)
        inside = (distance <= radius[:, None]) | (offsets == 0).all(dim=-1)
        inside &= (cells >= 0).all(dim=-1) & (cells[..., 0] < width) & (cells[..., 1] < height)
        flat = (image_index[person][:, None] * height + cells[..., 1].long()) * width + cells[..., 0].long()
        # Distance and keypoint in one integer: the least of a cell is its nearest keypoint.
        order = (distance * 4096).long() * len(person) + torch.arange(len(person), device=flat.device)[:, None]
        best = torch.full_like(owner, torch.iinfo(torch.long).max)
        best.scatter_reduce_(0, flat[inside], order[inside], "amin")
        taken = best != torch.iinfo(torch.long).max
        owner[taken] = person[best[taken] % len(person)]
    owner = owner.view(batch, height, width)
    return Targets((owner >= 0).float(), owner)


def choose_cells(targets: Targets, count: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Draw `count` owned cells an image, every person as often: flat indices (B, count) and their owners, -1 where the
    image has nobody."""
    owner = targets.owner.flatten(1)
    weights = torch.zeros(owner.shape, device=owner.device)
    owned = owner >= 0
    if owned.any():
        sizes = torch.bincount(owner[owned])
        weights[owned] = 1.0 / sizes[owner[owned]].float()
    weights[~owned.any(dim=1)] = 1.0
    cells = torch.multinomial(weights, count, replacement=True, generator=generator)
    return cells, owner.gather(1, cells)
