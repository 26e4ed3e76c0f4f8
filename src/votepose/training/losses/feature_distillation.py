"""`votepose train --teach features`: a backbone without weights to start from learns to see what the bundled network's
sees (hints; Romero et al., FitNets, ICLR 2015).

Labels tell a network little of a picture: where a few joints are. The maps of a backbone that knows poses tell it a
thousand numbers at every cell, and no label is needed for them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.data.loader import Batch
from votepose.models.checkpoint import BUNDLED_WEIGHTS, load_network
from votepose.models.posenet import PoseNet, resize

_FAR = 6.0  # standard deviations: what is further off is no lesson


class FeatureObjective(nn.Module):
    """How well the feature map F tells the maps of the bundled network's backbone, by one linear layer.

    `forward(network, batch)` returns a dict of scalars; `total`, smooth L1 in standard deviations of each channel,
    averaged over those of the finest map and over the others, is what is minimised.

    Args:
        channels: of F.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        teacher = load_network(BUNDLED_WEIGHTS)[0].backbone.eval().requires_grad_(False)
        self._teacher = [teacher]  # in a list: neither trained nor kept in checkpoints
        told = sum(teacher.channels)
        self.scale = nn.BatchNorm1d(told, affine=False)
        self.tell = nn.Conv2d(channels, told, 1)

    def forward(self, network: PoseNet, batch: Batch) -> dict[str, Tensor]:
        features = network.features(batch.images)
        wanted = self._wanted(batch.images, features.shape[-2:])
        told = self.tell(features)
        finest = self._teacher[0].channels[0]
        error = F.smooth_l1_loss(told.float(), wanted, reduction="none").mean(dim=(0, 2, 3))
        parts = {"near": error[:finest].mean(), "deep": error[finest:].mean()}
        return {**parts, "total": parts["near"] + parts["deep"]}

    @torch.no_grad()
    def _wanted(self, images: Tensor, shape: torch.Size) -> Tensor:
        """The teacher's maps (B, C, h, w), each channel of mean 0 and deviation 1."""
        teacher = self._teacher[0].to(images.device)
        maps = teacher(images)[: len(teacher.channels)]
        seen = torch.cat([resize(x, list(shape)) for x in maps], dim=1).float()
        scaled: Tensor = self.scale(seen.flatten(2))
        return scaled.clamp(-_FAR, _FAR).reshape(seen.shape)
