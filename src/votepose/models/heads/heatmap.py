"""The presence branch: a stacked hourglass with intermediate supervision (paper III-C; Newell et al., ECCV 2016)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Bottleneck(nn.Module):
    """The hourglass's residual unit: 1x1 to half the width, 3x3, 1x1 back. (B, C, h, w) -> same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.layers = nn.Sequential(
            nn.Conv2d(width, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.layers(x))


class Hourglass(nn.Module):
    """Downsamples `depth` times by two and up again, with a skip at every level. (B, C, h, w) -> same shape."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.skip = Bottleneck(width)
        self.down = Bottleneck(width)
        self.inner = Hourglass(width, depth - 1) if depth > 1 else Bottleneck(width)
        self.up = Bottleneck(width)

    def forward(self, x: Tensor) -> Tensor:
        low = self.up(self.inner(self.down(F.max_pool2d(x, 2, ceil_mode=True))))
        return self.skip(x) + F.interpolate(low, size=x.shape[-2:], mode="nearest")


class StackedHourglass(nn.Module):
    """Features -> one presence map per stack; the last is the best.

    Every stack but the last adds its features and its heatmap to the next one's input.
    `forward` maps F (B, C, h, w) to a list of presence logits (B, 1, h, w).
    """

    def __init__(self, channels: int, width: int, stacks: int, depth: int, prior: float = 0.02) -> None:
        super().__init__()
        self.entry = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.hourglasses = nn.ModuleList(
            nn.Sequential(Hourglass(width, depth), Bottleneck(width)) for _ in range(stacks)
        )
        self.heads = nn.ModuleList(presence_head(width, prior) for _ in range(stacks))
        self.merge_features = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(stacks - 1))
        self.merge_heatmap = nn.ModuleList(nn.Conv2d(1, width, 1) for _ in range(stacks - 1))

    def forward(self, features: Tensor) -> list[Tensor]:
        x, logits = self.entry(features), []
        for i, (hourglass, head) in enumerate(zip(self.hourglasses, self.heads, strict=True)):
            y = hourglass(x)
            logits.append(head(y))
            if i < len(self.merge_features):
                x = x + self.merge_features[i](y) + self.merge_heatmap[i](logits[-1])
        return logits


def presence_head(channels: int, prior: float = 0.02) -> nn.Conv2d:
    """A 1x1 convolution to presence logits, initialised to the probability `prior` of a keypoint.

    Without the hourglass it is the whole presence branch (paper V-F, "only 1x1 conv head").
    """
    head = nn.Conv2d(channels, 1, 1)
    nn.init.normal_(head.weight, std=0.01)
    head.bias = nn.Parameter(torch.full((1,), math.log(prior / (1 - prior))))
    return head
