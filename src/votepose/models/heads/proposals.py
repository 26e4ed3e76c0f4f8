"""Where the backbone has been trained on poses, votes start from what it already believes.

MoveNet answers, at every cell, "if this were the middle of a person, where would the joints be?". A few likely middles
make a short list of whole poses. A voting cell then need not draw a body from nothing: it *points* at the pose that it
belongs to, by what it sees and by which pose passes through it, and adds its own correction.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

PROPOSALS = 24  # poses on the list of an image


@dataclass(frozen=True)
class Prior:
    """What a pose-trained backbone believes of a batch.

    Attributes:
        presence: (B, h, w) logits that some keypoint lies in a cell.
        poses: (B, N, K, 2) proposed poses, in cells.
        logits: (B, N) of each proposal.
        cells: (B, N) flat index of the middle that proposes it.
    """

    presence: Tensor
    poses: Tensor
    logits: Tensor
    cells: Tensor


class Pointer(nn.Module):
    """Attention of voting cells over proposed poses; the values are the poses themselves.

    `forward` maps answers of cells x (B, Q, D) at positions (B, Q, 2), and the [F;H] of the proposals' middles
    (B, N, C + 1), to poses (B, Q, K, 2) in cells.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(channels + 1, width)
        self.trust = nn.Parameter(torch.tensor(1.5))  # in a proposal's own logit
        self.fit = nn.Parameter(torch.tensor(60.0))  # against the distance from cell to pose, in body sizes
        nn.init.normal_(self.query.weight, std=1e-3)
        nn.init.zeros_(self.query.bias)

    def forward(self, x: Tensor, positions: Tensor, middles: Tensor, prior: Prior) -> Tensor:
        content = self.query(x) @ self.key(middles).transpose(1, 2) / x.shape[-1] ** 0.5
        with torch.autocast(x.device.type, enabled=False):  # coordinates do not bear bf16
            weights = (
                content.float() + self.trust * prior.logits[:, None] - self.fit * self._gaps(positions, prior.poses)
            )
            return torch.einsum("bqn,bnkc->bqkc", weights.softmax(dim=-1), prior.poses)

    @staticmethod
    def _gaps(positions: Tensor, poses: Tensor) -> Tensor:
        """(B, Q, N) distance from each cell to the nearest joint of each pose, as a share of the pose's size."""
        sides = poses.amax(dim=2) - poses.amin(dim=2)
        sizes = sides.clamp(min=1).prod(dim=-1).sqrt()
        squared = ((positions[:, :, None, None] - poses[:, None]) ** 2).sum(dim=-1).amin(dim=-1)
        return (squared + 1e-4).sqrt() / sizes[:, None]
