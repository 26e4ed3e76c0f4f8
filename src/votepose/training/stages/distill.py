"""`votepose train --stage distill`: trains a backbone on the features of another network, without labels."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from votepose.data.loader import Batch
from votepose.inference.weights import resolve_weights
from votepose.models.backbones.build import Part
from votepose.models.checkpoint import load_network
from votepose.models.config import NetworkConfig
from votepose.models.posenet import PoseNet
from votepose.training.losses.feature_distillation import DistillationCriterion, mismatch
from votepose.training.stages.base import Setting, Stage


class DistillStage(Stage):
    """Trains backbone and feature map F on a teacher's features; labels are not used.

    If the teacher's F has the same stride and no more channels, the network learns to compute the teacher's features:
    its F, in the first channels, and those of its maps that have the same stride and channels. It can then use the
    teacher's heads. Otherwise F learns to predict the maps of the teacher's backbone.

    Args:
        teacher: the network to learn from.
        network: configuration of the trained network.
        frozen: part of the backbone that is not trained.
    """

    reads_labels: ClassVar[bool] = False
    trains_votes: ClassVar[bool] = False
    default_freeze: ClassVar[Part | None] = "none"

    def __init__(self, teacher: PoseNet, network: NetworkConfig, frozen: Part = "none") -> None:
        super().__init__(frozen)
        self._teacher = [teacher.eval().requires_grad_(False)]  # in a list: neither trained nor saved in checkpoints
        alike = teacher.config.stride == network.stride and teacher.config.channels <= network.channels
        self.predictor = None if alike else DistillationCriterion(network.channels, teacher.backbone.channels)

    @classmethod
    def build(cls, setting: Setting) -> Stage:
        teacher = load_network(resolve_weights(setting.config.teacher, ".safetensors"))[0]
        return cls(teacher, setting.preset.network, setting.frozen)

    def forward(self, network: PoseNet, batch: Batch) -> dict[str, Tensor]:
        teacher, images = self._teacher[0].to(batch.images.device), batch.images
        with torch.no_grad():
            wanted = teacher.backbone(images)
        if self.predictor is not None:
            count = len(teacher.backbone.channels)
            losses: dict[str, Tensor] = self.predictor(network.features(images), wanted[:count])
            return losses
        with torch.no_grad():
            wanted_features = teacher.fuse(wanted, teacher.aux_features(images), images)
        found = network.backbone(images)
        features = network.fuse(found, network.aux_features(images), images)[:, : wanted_features.shape[1]]
        of_features, of_maps = mismatch(features, wanted_features), _maps_mismatch(network, teacher, found, wanted)
        return {"features": of_features, "maps": of_maps, "total": of_features + of_maps}


def _maps_mismatch(network: PoseNet, teacher: PoseNet, found: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """The mean mismatch of the backbones' maps that have the same stride and channels."""
    ours = list(zip(network.backbone.feature_specs, network.backbone.roi_features(found), strict=True))
    theirs = list(zip(teacher.backbone.feature_specs, teacher.backbone.roi_features(wanted), strict=True))
    same = [
        mismatch(x, y)
        for spec, x in ours
        for other, y in theirs
        if (spec.stride, spec.channels) == (other.stride, other.channels)
    ]
    return torch.stack(same).mean() if same else found[0].new_zeros(())
