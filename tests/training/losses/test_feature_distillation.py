"""Teaching features: what F is asked to tell is what the bundled network's backbone sees."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from helpers import tiny
from votepose.data.loader import Batch, collate
from votepose.data.toy import synthetic_dataset
from votepose.models.checkpoint import BUNDLED_WEIGHTS, load_network
from votepose.models.posenet import PoseNet
from votepose.training.losses.feature_distillation import FeatureObjective

SIDE = 64


@pytest.fixture(scope="module")
def objective() -> FeatureObjective:
    return FeatureObjective(tiny.NETWORK.channels)


@pytest.fixture
def batch() -> Batch:
    return collate(synthetic_dataset(2, size=SIDE).samples)


class Teller(nn.Module):
    """A network whose F is given."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.given = features

    def features(self, images: Tensor) -> Tensor:
        return self.given


def test_f_that_holds_the_bundled_maps_loses_nothing(objective: FeatureObjective, batch: Batch) -> None:
    backbone = load_network(BUNDLED_WEIGHTS)[0].backbone.eval()
    with torch.no_grad():
        finest = backbone(batch.images)[0]
    channels = finest.shape[1]
    perfect = FeatureObjective(channels)
    scale = 1 / (finest.var(dim=(0, 2, 3), correction=0) + perfect.scale.eps).sqrt()
    with torch.no_grad():
        perfect.tell.weight.zero_()
        perfect.tell.bias.zero_()
        perfect.tell.weight[:channels, :, 0, 0] = torch.diag(scale)
        perfect.tell.bias[:channels] = -scale * finest.mean(dim=(0, 2, 3))
        # Standard deviations beyond reach are no lesson: what is left of the error is theirs.
        parts = perfect(Teller(finest), batch)
        assert parts["near"] < 0.02
        perfect.tell.weight.zero_()
        perfect.tell.bias.zero_()
        nothing = perfect(Teller(finest), batch)
    assert nothing["near"] > 0.2
    assert parts["deep"] == nothing["deep"]
    assert parts["total"] == parts["near"] + parts["deep"]


def test_the_gradient_reaches_the_backbone_and_f_alone(objective: FeatureObjective, batch: Batch) -> None:
    torch.manual_seed(0)
    network = PoseNet(replace(tiny.NETWORK, stride=8, prior=False))  # F coarser than the finest of the maps
    loss = objective(network, batch)["total"]
    loss.backward()
    assert math.isfinite(loss.item())
    taught = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert taught == {"backbone", "project", "norm"}


def test_the_teacher_is_neither_taught_nor_kept(objective: FeatureObjective) -> None:
    assert {name.split(".")[0] for name in objective.state_dict()} == {"scale", "tell"}
