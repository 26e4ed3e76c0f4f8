"""Feature distillation: F predicts the maps of another network's backbone, or equals that network's F."""

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
from votepose.training.losses.feature_distillation import DistillationCriterion, mismatch
from votepose.training.stages.distill import DistillStage

SIDE = 64
COARSE = replace(tiny.NETWORK, stride=8, proposals=False)  # its F is coarser than the bundled network's


@pytest.fixture(scope="module")
def stage() -> DistillStage:
    return DistillStage(load_network(BUNDLED_SAFETENSORS)[0], COARSE)


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
    network = PoseNet(COARSE)
    loss = stage(network, batch)["total"]
    loss.backward()
    assert math.isfinite(loss.item())
    trained = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert trained == {"backbone", "project", "norm"}


def test_the_teacher_is_neither_trained_nor_kept(stage: DistillStage) -> None:
    assert {name.split(".")[1] for name in stage.state_dict()} == {"scale", "predict"}


def test_a_network_with_the_teachers_features_loses_nothing(batch: Batch) -> None:
    torch.manual_seed(0)
    teacher = PoseNet(tiny.NETWORK).eval()
    wider = replace(tiny.NETWORK, channels=24)
    network, stage = PoseNet(wider).eval(), DistillStage(teacher, wider)
    before = stage(network, batch)
    before["total"].backward()
    trained = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert trained == {"backbone", "project", "norm"}
    assert not stage.state_dict()

    state = network.state_dict()
    for name, value in teacher.state_dict().items():
        if name.startswith(("backbone.", "project.", "norm.")):
            state[name] = torch.cat([value, state[name][len(value) :]]) if value.dim() else value
    network.load_state_dict(state)
    after = stage(network, batch)
    for part in ("features", "maps", "total"):
        assert before[part] > 0.1
        assert after[part] < 1e-6


def test_maps_of_another_shape_are_not_compared(batch: Batch) -> None:
    """`mobile` and `lite` end in maps of 960 and 320 channels."""
    network, teacher = (PoseNet(replace(COARSE, backbone=name, refiner=0)).eval() for name in ("mobile", "lite"))
    stage = DistillStage(teacher, network.config)
    last = network.backbone.trunk.get_submodule("blocks.6.0.conv")
    stage(network, batch)["maps"].backward()
    assert last.weight.grad is None
    assert network.backbone.trunk.get_submodule("blocks.4.1.conv_pwl").weight.grad.any()


def test_mismatch_is_the_unexplained_share_of_the_variance() -> None:
    torch.manual_seed(0)
    wanted = torch.randn(4, 3, 16, 16) * torch.tensor([1.0, 10.0, 0.0])[None, :, None, None]
    assert mismatch(wanted, wanted) == 0
    halfway = wanted.clone()
    halfway[:, 1] = 0  # the second channel holds 100 of 101 parts of the variance
    assert mismatch(halfway, wanted).item() == pytest.approx((100 / 101 + 1 / 3) / 2, abs=0.01)
