"""Feature distillation: F learns to predict the maps of the bundled network's backbone."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from helpers import tiny
from votepose.data.loader import Batch, collate
from votepose.data.toy import synthetic_dataset
from votepose.inference.weights import BUNDLED_SAFETENSORS
from votepose.models.checkpoint import load_network
from votepose.models.posenet import PoseNet
from votepose.training.losses.feature_distillation import DistillationCriterion
from votepose.training.stages.distill import DistillStage

SIDE = 64


@pytest.fixture(scope="module")
def stage() -> DistillStage:
    return DistillStage(tiny.NETWORK.channels)


@pytest.fixture
def batch() -> Batch:
    return collate(synthetic_dataset(2, size=SIDE).samples)


def test_f_that_holds_the_bundled_maps_loses_nothing(batch: Batch) -> None:
    backbone = load_network(BUNDLED_SAFETENSORS)[0].backbone.eval()
    with torch.no_grad():
        maps = backbone(batch.images)[: len(backbone.channels)]
    finest = maps[0]
    channels = finest.shape[1]
    perfect = DistillationCriterion(channels, backbone.channels)
    scale = 1 / (finest.var(dim=(0, 2, 3), correction=0) + perfect.scale.eps).sqrt()
    with torch.no_grad():
        perfect.predict.weight.zero_()
        perfect.predict.bias.zero_()
        perfect.predict.weight[:channels, :, 0, 0] = torch.diag(scale)
        perfect.predict.bias[:channels] = -scale * finest.mean(dim=(0, 2, 3))
        # What is left of the error comes from outliers, which are clipped.
        parts = perfect(finest, maps)
        assert parts["near"] < 0.02
        perfect.predict.weight.zero_()
        perfect.predict.bias.zero_()
        nothing = perfect(finest, maps)
    assert nothing["near"] > 0.2
    assert parts["deep"] == nothing["deep"]
    assert parts["total"] == parts["near"] + parts["deep"]


def test_the_gradient_reaches_the_backbone_and_f_alone(stage: DistillStage, batch: Batch) -> None:
    torch.manual_seed(0)
    network = PoseNet(replace(tiny.NETWORK, stride=8, proposals=False))  # F coarser than the finest of the maps
    loss = stage(network, batch)["total"]
    loss.backward()
    assert math.isfinite(loss.item())
    trained = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert trained == {"backbone", "project", "norm"}


def test_the_teacher_is_neither_trained_nor_kept(stage: DistillStage) -> None:
    assert {name.split(".")[1] for name in stage.state_dict()} == {"scale", "predict"}
