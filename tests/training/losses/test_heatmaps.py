"""Gaussians on keypoints, and the focal loss of heatmaps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from votepose.training.losses.heatmaps import focal_loss, paint_gaussians

POINTS, SHAPE = torch.tensor([[5.5, 6.2], [9.1, 6.9]]), torch.Size((2, 3, 16, 16))
FIRST, SECOND = torch.tensor([0, 0]), torch.tensor([1, 1])


def test_a_gaussian_is_one_on_its_point_and_falls_with_distance() -> None:
    heat = paint_gaussians(POINTS, FIRST, SECOND, torch.tensor([1.0, 2.0]), SHAPE)
    assert heat[0, 1, 6, 5] == heat[0, 1, 6, 9] == 1
    assert heat[0, 1, 6, 4] == pytest.approx(np.exp(-0.5))
    assert heat[0, 1, 6, 7] == pytest.approx(np.exp(-0.5))  # the wider of the two
    assert heat[1].sum() == heat[0, 0].sum() == heat[0, 2].sum() == 0


def test_what_is_not_valid_or_outside_is_not_painted() -> None:
    spread = torch.tensor([1.0, 2.0])
    alone = paint_gaussians(POINTS[:1], FIRST[:1], SECOND[:1], spread[:1], SHAPE)
    some = paint_gaussians(POINTS, FIRST, SECOND, spread, SHAPE, valid=torch.tensor([True, False]))
    assert torch.equal(some, alone)
    away = paint_gaussians(POINTS + torch.tensor([0.0, 100.0]), FIRST, SECOND, spread, SHAPE)
    assert away.sum() == 0


def test_cells_near_a_peak_are_punished_less_and_weighted_ones_as_told() -> None:
    target = paint_gaussians(POINTS[:1], FIRST[:1], SECOND[:1], torch.tensor([2.0]), SHAPE)
    logits = torch.zeros(SHAPE, requires_grad=True)
    weight = torch.ones(2, 1, 16, 16)
    weight[0, :, :, 12:] = 0
    focal_loss(logits, target, weight, torch.tensor([1.0, 0.25])[:, None, None, None]).backward()
    assert logits.grad is not None
    peak, beside, empty = logits.grad[0, 1, 6, 5], logits.grad[0, 1, 6, 6], logits.grad[0, 1, 15, 2]
    assert peak < 0 < beside < empty
    assert not logits.grad[0, :, :, 12:].any()
    torch.testing.assert_close(logits.grad[1, 1, 15, 2], 0.25 * empty)
