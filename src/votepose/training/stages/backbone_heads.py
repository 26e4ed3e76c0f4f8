"""`votepose train --stage backbone-heads`: trains MoveNet's own heads, which propose the poses that votes start from.

They adapt to new images, sizes and crowds at a third of the cost of a full step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from votepose.data.loader import Batch
from votepose.errors import VoteposeError
from votepose.models.backbones.build import Part
from votepose.models.backbones.movenet import MoveNet
from votepose.models.config import NetworkConfig
from votepose.models.posenet import PoseNet
from votepose.skeleton import Skeleton
from votepose.training.losses.centernet import CenterNetCriterion
from votepose.training.stages.base import Setting, Stage, relative_groups


class BackboneHeadsStage(Stage):
    """Trains the heads of a movenet backbone and the part of its trunk that is not frozen, and nothing else.

    The learning rate is relative to the size of each weight tensor.

    Args:
        skeleton: skeleton of the people.
        frozen: part of the backbone that is not trained.
    """

    trains_votes: ClassVar[bool] = False
    default_freeze: ClassVar[Part | None] = "stem"
    betas: ClassVar[tuple[float, float]] = (0.9, 0.99)

    def __init__(self, skeleton: Skeleton, frozen: Part = "stem") -> None:
        super().__init__(frozen)
        self.criterion = CenterNetCriterion(torch.from_numpy(skeleton.kappas))

    @classmethod
    def build(cls, setting: Setting) -> Stage:
        return cls(setting.skeleton, setting.frozen)

    @classmethod
    def require(cls, network: NetworkConfig, hint: str) -> None:
        if not network.proposals:
            raise VoteposeError(f"--stage backbone-heads: the {network.backbone} backbone has no proposals: {hint}")

    def select(self, network: PoseNet) -> None:
        network.requires_grad_(False)
        super().select(network)

    def forward(self, network: PoseNet, batch: Batch) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = self.criterion(head_outputs(network, batch), batch, network.config.stride)
        return losses

    def _trunk_groups(self, pretrained: Sequence[Tensor], rate: float, backbone_rate: float) -> list[dict[str, Any]]:
        return relative_groups(pretrained, rate)


def head_outputs(network: PoseNet, batch: Batch) -> dict[str, Tensor]:
    """The outputs of MoveNet's heads for a batch, by name."""
    trunk = network.backbone.trunk
    assert isinstance(trunk, MoveNet)
    return trunk.head_outputs(trunk.pyramid(network.backbone.normalised(batch.images))[0])[1]
