"""The second look: once votes have been pooled into people, every joint is looked at again where it is believed to be.

A person is K tokens, one a joint. Each takes a glimpse of the map around its place, on a grid that grows with the
person, talks to the person's other joints, asks the transformer's memory, and corrects its joint in units of that grid.
So a joint is measured where it is best seen, a hidden joint is drawn to where the others put it, and the network is
blind to the person's size. The looks share their weights; each is finer than the last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.network.transformer import Attention, EncoderLayer, GroupingTransformer, mlp

GRID = 5  # a glimpse is GRID x GRID samples
SPACINGS = (0.08, 0.04)  # their spacing as a share of the person's size, a look each
_MIN_SIZE = 3.0  # cells: below it a person's size says little


@dataclass(frozen=True)
class Look:
    """What one look says of P people.

    Attributes:
        poses: (P, K, 2) corrected joints, in cells.
        log_scales: (P, K) log of each joint's Laplace scale, in cells.
        seen: (P, K) logits that the joint is visible.
        quality: (P,) logits of the OKS that the pose is expected to have with the true one.
    """

    poses: Tensor
    log_scales: Tensor
    seen: Tensor
    quality: Tensor


def person_size(poses: Tensor) -> Tensor:
    """(P, K, 2) -> (P,) root of the area of the joints' bounding box, at least a few cells."""
    sides = (poses.amax(dim=1) - poses.amin(dim=1)).clamp(min=1.0)
    # A body seen edge-on has a thin box: its longest side bounds the size from below.
    return torch.maximum(sides.prod(dim=-1).sqrt(), 0.5 * sides.amax(dim=-1)).clamp(min=_MIN_SIZE)


class _LookLayer(nn.Module):
    """Joints of one person talk, then ask the memory. (P, K, D) -> (P, K, D)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.among_joints = EncoderLayer(width, heads)

    def forward(self, x: Tensor, angles: Tensor | None, memory: Tensor, memory_angles: Tensor | None,
                image_index: Tensor) -> Tensor:  # fmt: skip
        # Keys and values are made once an image and then handed to each of its people.
        key, value = self.attention.keys_values(memory, memory_angles)
        x = x + self.attention.attend(self.norm(x), angles, key[image_index], value[image_index])
        return self.among_joints(x, None)


class SecondLook(nn.Module):
    """Refines P poses (P, K, 2), `image_index` (P,) of each, against features F (B, C, h, w) and the memory."""

    def __init__(self, channels: int, keypoints: int, width: int, heads: int, layers: int, glimpse: int = 48) -> None:
        super().__init__()
        self.detail = nn.Conv2d(channels + 1, glimpse, 1)
        self.glimpse = nn.Linear(GRID * GRID * glimpse, width)
        self.joint = nn.Parameter(torch.randn(keypoints, width) * 0.02)
        self.place = nn.Linear(2 * keypoints, width)
        self.look = nn.Parameter(torch.randn(len(SPACINGS), width) * 0.02)
        self.layers = nn.ModuleList(_LookLayer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.correction = mlp(width, width, 4, 1e-3)
        self.quality = mlp(width, width, 1)

    def forward(self, poses: Tensor, image_index: Tensor, presence_features: Tensor, memory: Tensor,
                memory_positions: Tensor, transformer: GroupingTransformer) -> list[Look]:  # fmt: skip
        """One `Look` a spacing, coarse to fine; each starts from the last one's poses (no gradient between them)."""
        detail, looks = self.detail(presence_features), []
        memory_angles = transformer.angles(memory_positions[None])
        for i, spacing in enumerate(SPACINGS):
            size = person_size(poses)
            step = size * spacing
            glimpse = self._glimpse(detail, poses, step, image_index)
            relative = (poses - poses.mean(dim=1, keepdim=True)) / size[:, None, None]
            x = (
                self.glimpse(glimpse)
                + self.joint
                + self.place(relative.reshape(-1, 2 * poses.shape[1]))[:, None]
                + self.look[i]
            )
            angles = transformer.angles(poses)
            for layer in self.layers:
                x = layer(x, angles, memory, memory_angles, image_index)
            looks.append(self._read(self.norm(x), poses, step, size))
            poses = looks[-1].poses.detach()
        return looks

    def _glimpse(self, detail: Tensor, poses: Tensor, step: Tensor, image_index: Tensor) -> Tensor:
        """Samples of the detail map around every joint: (P, K, GRID * GRID * channels)."""
        offsets = torch.arange(GRID, device=poses.device) - GRID // 2
        grid = torch.stack([offsets[None].expand(GRID, GRID), offsets[:, None].expand(GRID, GRID)], dim=-1).reshape(
            -1, 2
        )
        points = poses[:, :, None] + grid * step[:, None, None, None]  # (P, K, GRID^2, 2)
        samples = _sample(detail, points, image_index)
        return samples.reshape(-1, poses.shape[1], GRID * GRID * detail.shape[1])

    def _read(self, x: Tensor, poses: Tensor, step: Tensor, size: Tensor) -> Look:
        with torch.autocast(x.device.type, enabled=False):  # bf16 would round coordinates to a quarter of a cell
            values = self.correction(x.float())
            moved = poses + values[..., :2] * 2 * step[:, None, None]
            log_scales = (values[..., 2] + math.log(0.05)).clamp(-7, 2) + size[:, None].log()
            return Look(moved, log_scales, values[..., 3], self.quality(x.float().mean(dim=1))[..., 0])


def _sample(maps: Tensor, points: Tensor, image_index: Tensor) -> Tensor:
    """Bilinear values of maps (B, C, h, w) at points (P, K, G, 2) in cells, zero outside: (P, K, G, C).

    Written with gathers, since people of one batch lie on different maps.
    """
    height, width = maps.shape[-2:]
    flat = maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])
    corner = (points - 0.5).floor()
    fraction = (points - 0.5 - corner).to(maps.dtype)
    base = image_index[:, None, None] * (height * width)
    total: Tensor | None = None
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        x, y = corner[..., 0] + dx, corner[..., 1] + dy
        weight = (fraction[..., 0] if dx else 1 - fraction[..., 0]) * (fraction[..., 1] if dy else 1 - fraction[..., 1])
        weight = weight * ((x >= 0) & (x < width) & (y >= 0) & (y < height))
        index = base + y.clamp(0, height - 1).long() * width + x.clamp(0, width - 1).long()
        value = F.embedding(index, flat) * weight[..., None]
        total = value if total is None else total + value
    assert total is not None
    return total
