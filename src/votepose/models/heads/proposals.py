"""Votes that start from the poses proposed by a backbone pretrained on poses.

MoveNet predicts, at every cell, the joints of a person centred there. The most likely centres give a short list of
whole poses. A voting cell then attends to the proposal that it belongs to, by its features and by the distance to each
proposed pose, and adds a correction, instead of regressing a body from scratch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from votepose.models.features import PoseProposals


class ProposalAttention(nn.Module):
    """Attention of voting cells over proposed poses; the values are the poses themselves.

    `forward` maps decoded cells x (B, Q, D) at positions (B, Q, 2), and [F;H] at the proposals' centres (B, N, C + 1),
    to poses (B, Q, K, 2) in cells.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(channels + 1, width)
        self.logit_weight = nn.Parameter(torch.tensor(1.5))  # weight of a proposal's logit
        self.distance_weight = nn.Parameter(torch.tensor(60.0))  # of the distance from cell to pose, in body sizes
        nn.init.normal_(self.query.weight, std=1e-3)
        nn.init.zeros_(self.query.bias)

    def forward(self, x: Tensor, positions: Tensor, centres: Tensor, proposals: PoseProposals) -> Tensor:
        content = self.query(x) @ self.key(centres).transpose(1, 2) / x.shape[-1] ** 0.5
        with torch.autocast(x.device.type, enabled=False):  # bf16 is too coarse for coordinates
            distances = self._distances(positions, proposals.poses)
            logits = content.float() + self.logit_weight * proposals.logits[:, None] - self.distance_weight * distances
            return torch.einsum("bqn,bnkc->bqkc", logits.softmax(dim=-1), proposals.poses)

    @staticmethod
    def _distances(positions: Tensor, poses: Tensor) -> Tensor:
        """(B, Q, N) distance from each cell to the nearest joint of each pose, as a share of the pose's size."""
        sides = poses.amax(dim=2) - poses.amin(dim=2)
        sizes = sides.clamp(min=1).prod(dim=-1).sqrt()
        squared = ((positions[:, :, None, None] - poses[:, None]) ** 2).sum(dim=-1).amin(dim=-1)
        return (squared + 1e-4).sqrt() / sizes[:, None]
