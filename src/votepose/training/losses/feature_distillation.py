"""Feature distillation: a feature map learns to predict another network's maps (Romero et al., FitNets, ICLR 2015).

Labels only give the positions of a few joints. The maps of a backbone trained on poses give about a thousand numbers at
every cell, and need no labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.models.posenet import resize

_CLIP = 6.0  # standard deviations: larger values are outliers
_CONSTANT = 1e-3  # variance, relative to the mean of all channels, under which a channel counts as constant


class DistillationCriterion(nn.Module):
    """The error of predicting the teacher's maps from a feature map with one linear layer.

    `forward(features, maps)` returns scalars: `near`, smooth L1 in standard deviations of each channel of the teacher's
    finest map, `deep`, the same of its other maps, and their `total`.

    Args:
        channels: channels of the feature map.
        teacher_channels: channels of each of the teacher's maps.
    """

    def __init__(self, channels: int, teacher_channels: Sequence[int]) -> None:
        super().__init__()
        self.finest = teacher_channels[0]
        self.scale = nn.BatchNorm1d(sum(teacher_channels), affine=False)
        self.predict = nn.Conv2d(channels, sum(teacher_channels), 1)

    def forward(self, features: Tensor, maps: Sequence[Tensor]) -> dict[str, Tensor]:
        """Losses of a feature map (B, C, h, w) and the teacher's maps (B, c, ., .) of any size."""
        wanted = self._standardised(maps, features.shape[-2:])
        predicted = self.predict(features)
        error = F.smooth_l1_loss(predicted.float(), wanted, reduction="none").mean(dim=(0, 2, 3))
        parts = {"near": error[: self.finest].mean(), "deep": error[self.finest :].mean()}
        return {**parts, "total": parts["near"] + parts["deep"]}

    @torch.no_grad()
    def _standardised(self, maps: Sequence[Tensor], shape: torch.Size) -> Tensor:
        """The teacher's maps (B, C, h, w), each channel with mean 0 and standard deviation 1."""
        joined = torch.cat([resize(x, list(shape)) for x in maps], dim=1).float()
        scaled: Tensor = self.scale(joined.flatten(2))
        return scaled.clamp(-_CLIP, _CLIP).reshape(joined.shape)


def mismatch(found: Tensor, wanted: Tensor) -> Tensor:
    """The share of the variance of maps `wanted` (B, C, h, w) that `found` does not explain.

    It is the mean of two shares: of the variance of all channels together, and the average of each channel's own.
    """
    error = (found.float() - wanted.float()).square().mean(dim=(0, 2, 3))
    variance = wanted.float().var(dim=(0, 2, 3))
    least = _CONSTANT * variance.mean() + torch.finfo(torch.float32).tiny
    return (error.sum() / (variance.sum() + least) + (error / (variance + least)).mean()) / 2
