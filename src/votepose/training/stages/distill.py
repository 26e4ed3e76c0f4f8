"""`votepose train --stage distill`: trains a backbone without pretrained weights on the bundled backbone's features."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from votepose.data.loader import Batch
from votepose.inference.weights import BUNDLED_SAFETENSORS
from votepose.models.backbones.build import Part
from votepose.models.checkpoint import load_network
from votepose.models.posenet import PoseNet
from votepose.training.losses.feature_distillation import DistillationCriterion
from votepose.training.stages.base import Setting, Stage


class DistillStage(Stage):
    """Trains the feature map F to predict the maps of the bundled network's backbone; labels are not used.

    Args:
        channels: channels of F.
        frozen: part of the backbone that is not trained.
    """

    reads_labels: ClassVar[bool] = False
    trains_votes: ClassVar[bool] = False
    default_freeze: ClassVar[Part | None] = "none"

    def __init__(self, channels: int, frozen: Part = "none") -> None:
        super().__init__(frozen)
        teacher = load_network(BUNDLED_SAFETENSORS)[0].backbone.eval().requires_grad_(False)
        self._teacher = [teacher]  # in a list, so that it is neither trained nor saved in checkpoints
        self.criterion = DistillationCriterion(channels, teacher.channels)

    @classmethod
    def build(cls, setting: Setting) -> Stage:
        return cls(setting.preset.network.channels, setting.frozen)

    def forward(self, network: PoseNet, batch: Batch) -> dict[str, Tensor]:
        features = network.features(batch.images)
        teacher = self._teacher[0].to(batch.images.device)
        with torch.no_grad():
            maps = teacher(batch.images)[: len(teacher.channels)]
        losses: dict[str, Tensor] = self.criterion(features, maps)
        return losses
