"""`votepose train --stage joint`: trains every part of a movenet network at once, each with its own losses.

The backbone trains on its heads' targets; hourglass and transformer train on its features; the refiner trains on the
people that the votes find; and the auxiliary backbone, designed for crops of one person, adapts to whole images through
the refiner and its own heatmaps. No other gradient passes between parts, since a vote's loss does not lower a heatmap
where there is no person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from votepose.data.loader import Batch
from votepose.errors import VoteposeError
from votepose.grouping import GroupingConfig
from votepose.models.backbones.build import Part
from votepose.models.config import NetworkConfig
from votepose.models.estimator import halved
from votepose.models.posenet import PoseNet
from votepose.skeleton import Skeleton
from votepose.training.losses.aux_heatmaps import aux_heatmap_losses
from votepose.training.losses.centernet import CenterNetCriterion
from votepose.training.losses.focus import focus_loss
from votepose.training.losses.votes import VoteCriterion, VoteLossConfig
from votepose.training.stages.backbone_heads import head_outputs
from votepose.training.stages.base import Setting, Stage, relative_groups
from votepose.training.stages.refiner import RefinerStage, refiner_step
from votepose.training.stages.votes import cast_votes


class JointStage(Stage):
    """Trains backbone heads, votes, refiner and auxiliary backbone together.

    The learning rate of the two backbones is relative to the size of each weight tensor.

    Args:
        config: losses of presence and votes.
        skeleton, grouping, levels: those of the network's preset.
        frozen: part of the backbone that is not trained.
    """

    default_freeze: ClassVar[Part | None] = "stem"
    betas: ClassVar[tuple[float, float]] = (0.9, 0.99)

    def __init__(
        self,
        config: VoteLossConfig,
        skeleton: Skeleton,
        grouping: GroupingConfig,
        levels: int,
        frozen: Part = "stem",
    ) -> None:
        super().__init__(frozen)
        self.config = config
        kappas = torch.from_numpy(skeleton.kappas)
        self.proposals = CenterNetCriterion(kappas)
        self.votes = VoteCriterion(config, kappas)
        self.refiner = RefinerStage(skeleton, grouping, levels)

    @classmethod
    def build(cls, setting: Setting) -> Stage:
        preset = setting.preset
        return cls(setting.recipe.losses, setting.skeleton, preset.grouping, preset.levels, setting.frozen)

    @classmethod
    def require(cls, network: NetworkConfig, hint: str) -> None:
        if not (network.proposals and network.aux_backbone):
            raise VoteposeError(f"--stage joint: needs pose proposals and an auxiliary backbone: {hint}")

    def select(self, network: PoseNet) -> None:
        assert network.aux_backbone is not None
        network.aux_backbone.requires_grad_(True)
        super().select(network)

    def forward(self, network: PoseNet, batch: Batch) -> dict[str, Tensor]:
        assert network.refiner is not None
        network.train(self.training)
        stride, kappas = network.config.stride, self.refiner.kappas
        maps = network.encode_frozen(batch.images)
        targets, votes, owners = cast_votes(network, maps, batch, self.config, kappas)
        parts = [self.votes(maps.presence, votes, owners, targets)]
        if network.focus is not None:
            focus = focus_loss(network.focus, maps.features, batch, self.config.incomplete)
            parts.append({"focus": focus, "total": focus})
        if any(p.requires_grad for p in network.backbone.parameters()):
            parts.append(self.proposals(head_outputs(network, batch), batch, stride))
        aux = [network.aux_features(halved(batch.images.float(), i)) for i in range(self.refiner.levels)]
        parts.append(aux_heatmap_losses(aux, batch, stride, self.config.incomplete))
        network.eval()  # people are found as in inference
        refiner_batch = self.refiner.refiner_batch(network, batch, aux)
        network.refiner.train(self.training)
        parts.append(refiner_step(network.refiner, refiner_batch, kappas, self.refiner.flip))
        total = sum((part.pop("total") for part in parts), torch.zeros((), device=batch.images.device))
        return {**{name: loss for part in parts for name, loss in part.items()}, "total": total}

    def _trunk_groups(self, pretrained: Sequence[Tensor], rate: float, backbone_rate: float) -> list[dict[str, Any]]:
        return relative_groups(pretrained, rate * backbone_rate)

    def clip_groups(self, network: PoseNet) -> list[list[nn.Parameter]]:
        """Each part separately: MoveNet's gradients are as large as its activations and would dominate the others."""
        parts = ([p for p in part.parameters() if p.requires_grad] for part in network.children())
        return [part for part in parts if part]
