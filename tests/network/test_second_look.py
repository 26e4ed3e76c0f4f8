"""The second look: samples where it should, in units of the person, each person on its own image."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from votepose.network.second_look import SPACINGS, SecondLook, _sample, person_size
from votepose.network.transformer import GroupingTransformer


def networks() -> tuple[SecondLook, GroupingTransformer]:
    torch.manual_seed(0)
    transformer = GroupingTransformer(6, width=32, heads=2, encoder_layers=1, decoder_layers=1, patch=2, relative=True)
    return SecondLook(6, 5, 32, 2, layers=2).eval(), transformer.eval()


def scene() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Poses, their images, and two images' [F;H] and memory, of 12 x 16 cells."""
    generator = torch.Generator().manual_seed(0)
    poses = torch.rand(4, 5, 2, generator=generator) * 8 + 2
    maps = torch.randn(2, 7, 12, 16, generator=generator)
    return poses, torch.tensor([0, 1, 1, 0]), maps, torch.randn(2, 48, 32, generator=generator)


def look(second: SecondLook, transformer: GroupingTransformer, poses: Tensor, images: Tensor, maps: Tensor,
         memory: Tensor) -> list[Tensor]:  # fmt: skip
    positions = transformer.encode(maps)[1]
    last = second(poses, images, maps, memory, positions, transformer)[-1]
    return [last.poses, last.log_scales, last.seen, last.quality]


@torch.no_grad()
def test_samples_are_bilinear_and_zero_outside() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 3, 6, 9, generator=generator)
    points = torch.rand(4, 5, 7, 2, generator=generator) * 14 - 2  # some outside
    images = torch.tensor([1, 0, 0, 1])
    grid = 2 * points / torch.tensor([9.0, 6.0]) - 1
    expected = F.grid_sample(maps[images], grid, align_corners=False).permute(0, 2, 3, 1)
    torch.testing.assert_close(_sample(maps, points, images), expected)


@torch.no_grad()
def test_a_sample_at_a_cell_s_middle_is_the_cell() -> None:
    maps = torch.randn(1, 3, 6, 9)
    assert torch.equal(_sample(maps, torch.tensor([[[[7.5, 2.5]]]]), torch.tensor([0]))[0, 0, 0], maps[0, :, 2, 7])


def test_the_size_of_a_person_by_hand() -> None:
    poses = torch.tensor([[[0.0, 0.0], [4.0, 9.0]], [[5.0, 5.0], [5.0, 25.0]], [[1.0, 1.0], [1.0, 1.0]]])
    torch.testing.assert_close(person_size(poses), torch.tensor([6.0, 10.0, 3.0]))  # root of area, half a side, least


@torch.no_grad()
def test_a_fresh_look_moves_joints_little() -> None:
    second, transformer = networks()
    poses, images, maps, memory = scene()
    looks = second(poses, images, maps, memory, transformer.encode(maps)[1], transformer)
    assert len(looks) == len(SPACINGS)
    assert (looks[-1].poses - poses).abs().max() < 0.1


@torch.no_grad()
def test_people_do_not_see_each_other() -> None:
    second, transformer = networks()
    poses, images, maps, memory = scene()
    every = look(second, transformer, poses, images, maps, memory)
    order = torch.tensor([2, 0])
    some = look(second, transformer, poses[order], images[order], maps, memory)
    for one, other in zip(every, some, strict=True):
        torch.testing.assert_close(one[order], other, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_each_person_is_looked_for_on_its_own_image() -> None:
    second, transformer = networks()
    poses, images, maps, memory = scene()
    before = look(second, transformer, poses, images, maps, memory)
    after = look(second, transformer, poses, images, maps * torch.tensor([1.0, 5.0])[:, None, None, None], memory)
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one[images == 0], other[images == 0], atol=1e-5, rtol=1e-4)
        assert not torch.allclose(one[images == 1], other[images == 1])


@torch.no_grad()
def test_a_person_twice_as_large_is_corrected_twice_as_far() -> None:
    second, poses = networks()[0], scene()[0]
    values = torch.randn(4, 5, 32)
    size = person_size(poses)
    small, large = (second._read(values, s * poses, 0.1 * s * size, s * size) for s in (1, 2))
    torch.testing.assert_close(large.poses, 2 * small.poses)
    torch.testing.assert_close(large.log_scales.exp(), 2 * small.log_scales.exp())
    torch.testing.assert_close(large.quality, small.quality)


@pytest.mark.parametrize("training", [False, True])
def test_nobody_is_no_trouble(training: bool) -> None:
    second, transformer = networks()
    second.train(training)
    _, _, maps, memory = scene()
    poses, log_scales, seen, quality = look(
        second, transformer, torch.zeros(0, 5, 2), torch.zeros(0).long(), maps, memory
    )
    assert poses.shape == (0, 5, 2)
    assert log_scales.shape == seen.shape == (0, 5)
    assert quality.shape == (0,)
