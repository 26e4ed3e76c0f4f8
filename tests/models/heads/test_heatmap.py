"""The stacked hourglass: any size in, a map a stack out, every stack taught and heard."""

from __future__ import annotations

import pytest
import torch

from votepose.models.heads.heatmap import Hourglass, StackedHourglass, presence_head


@pytest.mark.parametrize("size", [(16, 16), (15, 10), (1, 3)])
@torch.no_grad()
def test_an_hourglass_keeps_the_shape(size: tuple[int, int]) -> None:
    assert Hourglass(8, depth=3).eval()(torch.randn(2, 8, *size)).shape == (2, 8, *size)


@pytest.mark.parametrize("stacks", [1, 2, 3])
def test_there_is_a_map_a_stack_and_each_is_taught(stacks: int) -> None:
    network = StackedHourglass(6, width=8, stacks=stacks, depth=2)
    maps = network(torch.randn(2, 6, 8, 8))
    assert [tuple(x.shape) for x in maps] == [(2, 1, 8, 8)] * stacks
    torch.stack(maps).sum().backward()
    assert all(p.grad is not None for p in network.parameters())


@torch.no_grad()
def test_a_stack_hears_the_heatmap_of_the_one_before() -> None:
    torch.manual_seed(0)
    network, x = StackedHourglass(6, width=8, stacks=2, depth=2).eval(), torch.randn(1, 6, 8, 8)
    before = network(x)
    network.heads[0].bias += 1.0
    after = network(x)
    torch.testing.assert_close(after[0], before[0] + 1.0)
    assert not torch.allclose(after[1], before[1])


@torch.no_grad()
def test_what_is_far_is_seen() -> None:
    torch.manual_seed(0)
    network, x = Hourglass(8, depth=4).eval(), torch.randn(1, 8, 32, 32)
    moved = x.clone()
    moved[..., 0, 0] += 10
    assert (network(moved) - network(x))[..., -1, -1].abs().max() > 0


@pytest.mark.parametrize("prior", [0.02, 0.5])
@torch.no_grad()
def test_a_fresh_head_believes_its_prior(prior: float) -> None:
    presence = presence_head(16, prior)(torch.randn(1, 16, 32, 32)).sigmoid()
    assert abs(presence.mean() - prior) < 0.1 * prior
