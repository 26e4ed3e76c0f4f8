"""`votepose train --stage focus`: trains the focus head alone, which sends the finest pyramid level to small people.

The images of a batch take the place of the half-size level, so --input-size should be half of that of inference.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from votepose.data.loader import Batch
from votepose.errors import VoteposeError
from votepose.models.backbones.build import Part
from votepose.models.config import NetworkConfig
from votepose.models.posenet import PoseNet
from votepose.training.losses.focus import focus_loss
from votepose.training.stages.base import Setting, Stage


class FocusStage(Stage):
    """Trains the focus head on a network that is otherwise frozen.

    Args:
        incomplete: weight of empty blocks in images where people may be unlabelled.
        frozen: part of the backbone that is not trained: all.
    """

    default_freeze: ClassVar[Part | None] = "all"

    def __init__(self, incomplete: float, frozen: Part = "all") -> None:
        super().__init__(frozen)
        self.incomplete = incomplete

    @classmethod
    def build(cls, setting: Setting) -> Stage:
        return cls(setting.recipe.losses.incomplete, setting.frozen)

    @classmethod
    def require(cls, network: NetworkConfig, hint: str) -> None:
        if not network.focus:
            raise VoteposeError(f"--stage focus: the {network.backbone} network has no focus head: {hint}")

    def select(self, network: PoseNet) -> None:
        assert network.focus is not None
        network.requires_grad_(False)
        network.focus.requires_grad_(True)

    def forward(self, network: PoseNet, batch: Batch) -> dict[str, Tensor]:
        assert network.focus is not None
        network.eval()
        with torch.no_grad():
            features = network.encode(batch.images).features
        torch.clear_autocast_cache()  # weights cast without gradient must not be reused with gradient
        loss = focus_loss(network.focus, features, batch, self.incomplete)
        return {"focus": loss, "total": loss}
