"""Accelerated layers, without a GPU: what they replace, and that nothing else changes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from votepose.models.backbones.build import build_backbone
from votepose.training.kernels.accelerate import FastBatchNormAct, FastDepthwise, FastDepthwiseSame, accelerate


@pytest.mark.parametrize("name", ["lite", "mobile"])
def test_an_accelerated_backbone_computes_the_same_on_a_cpu(name: str) -> None:
    plain = build_backbone(name)
    fast = copy.deepcopy(plain)
    count = accelerate(fast)
    assert count == accelerate(build_backbone(name)) > 40
    assert list(plain.state_dict()) == list(fast.state_dict())
    images = torch.randint(0, 256, (2, 3, 96, 64), dtype=torch.uint8)
    for mode in (False, True):
        for one, other in zip(plain.train(mode)(images), fast.train(mode)(images), strict=True):
            torch.testing.assert_close(one, other)
    assert copy.deepcopy(fast).state_dict().keys() == fast.state_dict().keys()


def test_all_of_lites_depthwise_convolutions_and_norms_are_accelerated() -> None:
    backbone = build_backbone("lite")
    accelerate(backbone)
    modules = list(backbone.modules())
    depthwise = [m for m in modules if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert len(depthwise) == 16
    assert all(isinstance(m, FastDepthwise) for m in depthwise)
    assert sum(isinstance(m, FastDepthwiseSame) for m in depthwise) == 4  # those of stride 2
    assert all(isinstance(m, FastBatchNormAct) for m in modules if isinstance(m, nn.BatchNorm2d))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(16, 16, 3, padding=1, bias=False),
        nn.Conv2d(16, 16, 7, padding=3, groups=16, bias=False),
        nn.Conv2d(16, 16, 3, padding=1, groups=16),
        nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=False),  # not whole loads of 16 bytes
        nn.Conv2d(16, 16, 3, padding=2, dilation=2, groups=16, bias=False),
        nn.BatchNorm2d(16, affine=False),
    ],
)
def test_layers_that_the_kernels_cannot_run_stay_as_they_are(layer: nn.Module) -> None:
    assert not accelerate(nn.Sequential(layer))
    assert type(layer) in (nn.Conv2d, nn.BatchNorm2d)


@pytest.mark.parametrize(("size", "stride", "expected"), [(8, 2, (0, 1)), (7, 2, (1, 1)), (8, 1, (1, 1))])
def test_padding_is_tensorflows(size: int, stride: int, expected: tuple[int, int]) -> None:
    layer = FastDepthwiseSame(8, 8, 3, stride=stride, groups=8, bias=False)
    assert layer._sides(size) == expected
    assert layer(torch.zeros(1, 8, size, size)).shape[-1] == -(-size // stride)
