"""Regions: where they lie, that they are bilinear, and that people, images and levels are kept apart."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from votepose.models.features import ROI_COLUMNS, ROI_ROWS, Extent, FeatureSpec, context_feature, roi_shape
from votepose.models.heads.roi_align import RoiGrid, roi_align, sample

SPECS = (FeatureSpec(3, 2, 0.5), FeatureSpec(3, 4, 1), FeatureSpec(3, 16, 2), FeatureSpec(3, 32, 4))


def poses(count: int = 5, size: float = 30.0) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, 17, 2, generator=generator) * size + 64 - size / 2


def grid(count: int = 5, size: float = 30.0) -> RoiGrid:
    return RoiGrid.around(poses(count, size), torch.arange(count) % 2)


def ramps(height: int, width: int, step: float) -> Tensor:
    """(2, 3, h, w): x and y of each cell's middle, in the finest level's cells, and the image's number."""
    x, y = (torch.arange(width) + 0.5) * step, (torch.arange(height) + 0.5) * step
    one = torch.stack([x[None].expand(height, -1), y[:, None].expand(-1, width)])
    return torch.stack([torch.cat([one, torch.full((1, height, width), float(i))]) for i in range(2)])


def pyramid(levels: int = 3, side: int = 128) -> list[list[Tensor]]:
    steps, strides = [2**level for level in range(levels)], [spec.stride for spec in SPECS]
    return [[ramps(side * 4 // s // k, side * 4 // s // k, s / 4 * k) for s in strides] for k in steps]


def test_a_pose_lies_in_the_middle_of_its_crop_with_a_margin() -> None:
    inside = grid().to_grid(poses())
    low, high = inside.amin(dim=1), inside.amax(dim=1)
    torch.testing.assert_close((low + high) / 2, torch.tensor([ROI_COLUMNS / 2, ROI_ROWS / 2]).expand(5, 2))
    assert (low > 1).all()
    assert (high < torch.tensor([ROI_COLUMNS - 1, ROI_ROWS - 1])).all()


def test_each_may_have_a_margin_of_its_own() -> None:
    images, margins = torch.zeros(5, dtype=torch.long), torch.linspace(1.0, 2.0, 5)
    together = RoiGrid.around(poses(), images, margins)
    for i, margin in enumerate(margins.tolist()):
        torch.testing.assert_close(together.spacings[i], RoiGrid.around(poses(), images, margin).spacings[i])


def test_back_undoes_into() -> None:
    torch.testing.assert_close(grid().to_cells(grid().to_grid(poses())), poses())


def test_a_crop_grows_and_moves_with_its_person() -> None:
    images = torch.zeros(5, dtype=torch.long)
    one, other = RoiGrid.around(poses(), images), RoiGrid.around(poses() * 3 + 7, images)
    torch.testing.assert_close(other.centres, one.centres * 3 + 7)
    torch.testing.assert_close(
        other.to_grid(poses() * 3 + 7), one.to_grid(poses()), atol=0.7, rtol=0.1
    )  # but for a fixed rim


@pytest.mark.parametrize(("size", "level"), [(5.0, 0), (40.0, 0), (60.0, 1), (120.0, 2), (400.0, 2)])
def test_large_people_are_cropped_from_coarser_levels(size: float, level: int) -> None:
    assert grid(size=size).levels(3).tolist() == [level] * 5
    assert grid(size=size).levels(1).tolist() == [0] * 5


@pytest.mark.parametrize("size", [12.0, 30.0, 45.0])
def test_regions_of_a_ramp_are_the_grid_itself(size: float) -> None:
    """Bilinear values of x are x, whatever map of whatever level they are read from."""
    found = roi_align(pyramid(), SPECS, 4, grid(size=size))
    for values, spec in zip(found, (*SPECS, context_feature(SPECS)), strict=True):
        assert values.shape == (5, *spec.shape) == (5, 3, *roi_shape(spec.reduction))
        x, y = grid(size=size).axes(spec.reduction)
        expected = torch.stack([x[:, None].expand_as(values[:, 0]), y[:, :, None].expand_as(values[:, 0])], dim=1)
        torch.testing.assert_close(values[:, :2], expected, atol=1e-3, rtol=1e-4)
        images = torch.tensor([0.0, 1, 0, 1, 0])[:, None, None].expand_as(values[:, 2])
        torch.testing.assert_close(values[:, 2], images)


@pytest.mark.parametrize("size", [12.0, 30.0])
def test_regions_of_maps_that_begin_elsewhere_are_the_same(size: float) -> None:
    whole, origin = pyramid(), torch.tensor([16, 24])
    finest = [maps[..., 24 * 4 // s.stride :, 16 * 4 // s.stride :] for maps, s in zip(whole[0], SPECS, strict=True)]
    extent = Extent(origin, origin.float(), torch.full((2,), torch.inf))
    found = roi_align([finest, *whole[1:]], SPECS, 4, grid(size=size), extent)
    for one, other in zip(found, roi_align(whole, SPECS, 4, grid(size=size)), strict=True):
        torch.testing.assert_close(one, other)


def test_regions_that_leave_the_finest_maps_are_read_from_the_next_level() -> None:
    """Where the finest maps end inside the image, a region that reaches beyond them would be partly empty."""
    whole, inf = pyramid(), torch.inf
    people = RoiGrid.around(torch.cat([poses(1, 12.0), poses(1, 12.0) - 40]), torch.zeros(2, dtype=torch.long))
    origin = torch.tensor([50, 50])
    extent = Extent(origin, origin.float(), torch.tensor([inf, inf]))
    finest = [torch.zeros_like(maps)[..., 50 * 4 // s.stride :, :] for maps, s in zip(whole[0], SPECS, strict=True)]
    found = roi_align([finest, *whole[1:]], SPECS, 4, people, extent)
    for values, spec in zip(found, SPECS, strict=False):
        assert not values[0].any()
        x, _ = people.axes(spec.reduction)
        torch.testing.assert_close(values[1, 0], x[1].expand_as(values[1, 0]), atol=1e-3, rtol=1e-4)


def test_samples_are_those_of_grid_sample_and_zero_outside() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 3, 6, 9, generator=generator)
    x, y = (torch.rand(4, n, generator=generator) * 14 - 2 for n in (7, 5))  # some outside
    images = torch.tensor([1, 0, 0, 1])
    grid = torch.stack([(2 * x / 9 - 1)[:, None].expand(4, 5, 7), (2 * y / 6 - 1)[:, :, None].expand(4, 5, 7)], dim=-1)
    expected = F.grid_sample(maps[images], grid, align_corners=False)
    torch.testing.assert_close(sample([maps], x, y, torch.zeros(4).long(), images), expected)
    maps.requires_grad_(True)  # where a gradient is wanted, values are gathered another way
    expected = F.grid_sample(maps[images], grid, align_corners=False)
    found = sample([maps], x, y, torch.zeros(4).long(), images)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad((found**2).sum(), maps)[0], torch.autograd.grad((expected**2).sum(), maps)[0]
    )


def test_each_sample_is_of_its_own_level() -> None:
    maps = [torch.full((2, 1, 4, 6), 1.0), torch.full((2, 1, 2, 3), 2.0), torch.full((2, 1, 1, 2), 3.0)]
    middle, levels = torch.full((6, 1), 0.5), torch.tensor([2, 0, 1, 1, 0, 2])
    values = sample(maps, middle, middle, levels, torch.tensor([0, 1, 0, 1, 1, 1]))
    assert values.flatten().tolist() == [3, 1, 2, 2, 1, 3]


def test_no_people_have_no_regions() -> None:
    found = roi_align(pyramid(), SPECS, 4, RoiGrid.around(torch.zeros(0, 17, 2), torch.zeros(0).long()))
    assert [len(values) for values in found] == [0, 0, 0, 0, 0]
