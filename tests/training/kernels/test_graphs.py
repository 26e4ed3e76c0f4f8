"""Recorded steps, with PyTorch's recording of CUDA graphs replaced by plain calls: the same losses and gradients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from votepose.data.loader import Batch
from votepose.models.posenet import PoseNet
from votepose.models.presets import preset
from votepose.skeleton import COCO_17
from votepose.training.losses.votes import VoteLossConfig
from votepose.training.stages.votes import VoteStage

SIDE = 64


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """The modules that were recorded, which then run as they are."""
    modules: list[nn.Module] = []

    def plain(module: nn.Module, inputs: tuple[Tensor, ...], allow_unused_input: bool) -> nn.Module:
        assert all(isinstance(x, Tensor) for x in inputs)
        modules.append(module)
        module(*inputs)
        return module

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", plain)
    return modules


def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    keypoints = torch.cat([torch.rand(3, 17, 2, generator=generator) * SIDE, torch.full((3, 17, 1), 2.0)], dim=-1)
    return Batch(
        torch.randint(0, 256, (2, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator),
        keypoints,
        torch.tensor([[0.0, 0.0, SIDE, SIDE]]).expand(3, -1),
        torch.full((3,), 900.0),
        torch.tensor([0, 0, 1]),
        torch.zeros(2, SIDE // 4, SIDE // 4, dtype=torch.bool),
        torch.ones(2, dtype=torch.bool),
    )


def network(**changes: Any) -> PoseNet:
    torch.manual_seed(0)
    small = replace(preset("lite").network, width=48, heads=2, encoder_layers=1, decoder_layers=1, refiner=16)
    return PoseNet(replace(small, **changes))


def step(net: PoseNet, stage: VoteStage) -> tuple[dict[str, Tensor], list[Tensor | None]]:
    torch.manual_seed(1)
    losses = stage(net, batch())
    losses["total"].backward()
    return losses, [p.grad for p in net.parameters()]


def test_a_recorded_step_has_the_same_losses_and_gradients(recorded: list[nn.Module]) -> None:
    config = VoteLossConfig(votes=16)
    plain = step(network(), VoteStage(config, COCO_17))
    net, stage = network(), VoteStage(config, COCO_17)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    stage.record(net, batch())
    assert len(recorded) == 3
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name  # running statistics, too
    losses, gradients = step(net, stage)
    for name, value in plain[0].items():
        torch.testing.assert_close(value, losses[name], msg=name)
    for one, other in zip(plain[1], gradients, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            torch.testing.assert_close(one, other)


def test_recorded_parts_share_no_parameters(recorded: list[nn.Module]) -> None:
    net = network()
    VoteStage(VoteLossConfig(votes=16), COCO_17).record(net, batch())
    parts = [{id(p) for p in module.parameters()} for module in recorded]
    assert sum(map(len, parts)) == len(set().union(*parts)) == len(list(net.parameters()))


def test_a_network_without_transformer_runs_as_it_is(recorded: list[nn.Module]) -> None:
    net, stage = network(transformer=False), VoteStage(VoteLossConfig(votes=16), COCO_17)
    stage.record(net, batch())
    assert not recorded
    assert step(net, stage)[0]["total"].isfinite()
