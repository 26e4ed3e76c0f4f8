"""The losses against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from votepose.training.losses.functional import (
    BalancedSum,
    asymmetric_loss,
    chamfer_loss,
    laplace_loss,
    oks_loss,
    vector_mse_loss,
)

ONE = torch.ones(1)
HEATMAP_LOGIT_SCALE = torch.tensor([[[0.0, math.log(3)]]])  # presence 0.5 and 0.75
TARGETS = torch.tensor([[[1.0, 0.0]]])


def test_asymmetric_loss_is_the_published_one_by_hand() -> None:
    # -log(0.5) (1 - 0.5)^1 on the keypoint, -log(1 - 0.75) 0.75^2 beside it, one keypoint
    expected = 0.5 * math.log(2) + 0.5625 * math.log(4)
    torch.testing.assert_close(asymmetric_loss(HEATMAP_LOGIT_SCALE, TARGETS, 1.0, 2.0), torch.tensor(expected))


def test_asymmetric_loss_is_not_the_one_that_the_paper_prints() -> None:
    printed = 0.5 * math.log(2) + (1 - 0.75) ** 2 * math.log(4)  # eq. 2: (1 - sigmoid) on both sides
    assert abs(asymmetric_loss(HEATMAP_LOGIT_SCALE, TARGETS, 1.0, 2.0) - printed) > 0.5


def test_easy_negatives_vanish_and_hard_ones_stay() -> None:
    def loss(logit: float, gamma: float) -> float:
        return float(asymmetric_loss(torch.tensor([[[logit]]]), torch.zeros(1, 1, 1), 0.0, gamma))

    assert loss(-3.0, 4.0) < 1e-4 * loss(-3.0, 0.0)
    assert loss(3.0, 4.0) > 0.8 * loss(3.0, 0.0)


def test_asymmetric_loss_without_focus_is_cross_entropy() -> None:
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(HEATMAP_LOGIT_SCALE, TARGETS, reduction="sum")
    torch.testing.assert_close(asymmetric_loss(HEATMAP_LOGIT_SCALE, TARGETS, 0.0, 0.0), entropy)


def test_ignored_cells_do_not_count() -> None:
    logits = HEATMAP_LOGIT_SCALE.clone().requires_grad_()
    asymmetric_loss(logits, TARGETS, 1.0, 2.0, weights=torch.tensor([[[1.0, 0.0]]])).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0, 0] < 0
    assert logits.grad[0, 0, 1] == 0


@pytest.mark.parametrize("logit", [-200.0, 200.0])
def test_asymmetric_loss_bears_sure_cells(logit: float) -> None:
    logits = torch.full((1, 1, 2), logit, requires_grad=True)
    loss = asymmetric_loss(logits, TARGETS, 1.0, 4.0)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def binary_map(cells: list[tuple[int, int]], side: int = 6) -> Tensor:
    """Logits whose presence is 1 at (x, y) `cells` and 0 elsewhere."""
    logits = torch.full((side, side), -60.0)
    for x, y in cells:
        logits[y, x] = 60.0
    return logits


def test_chamfer_loss_is_equation_3_by_hand() -> None:
    logits = binary_map([(0, 0), (4, 1)])  # centres (0.5, 0.5) and (4.5, 1.5)
    points = torch.tensor([[0.5, 1.5], [4.5, 1.5], [3.5, 2.5]])
    # predicted -> true: 1 and 0; true -> predicted: 1, 0 and 2. Eq. 3 sums them, here each side is a mean.
    expected = torch.tensor((1 + 0) / 2 + (1 + 0 + 2) / 3)
    torch.testing.assert_close(chamfer_loss(logits, points, temperature=0.1), expected, atol=1e-3, rtol=0)


def test_chamfer_loss_of_a_perfect_map_is_nothing() -> None:
    points = torch.tensor([[0.5, 0.5], [4.5, 1.5]])
    assert chamfer_loss(binary_map([(0, 0), (4, 1)]), points, temperature=0.1) < 1e-3


def test_each_term_of_chamfer_loss_is_bounded() -> None:
    points = torch.tensor([[1.5, 1.5]])
    # nine cells with a presence of 1: the mean squared distance to the point, and nothing back from it
    everywhere = binary_map([(x, y) for x in range(3) for y in range(3)], side=3)
    torch.testing.assert_close(chamfer_loss(everywhere, points), torch.tensor((4 * 1 + 4 * 2) / 9))
    nowhere = chamfer_loss(binary_map([], side=3), points, temperature=0.1)
    assert 2.7 < nowhere < 2.8  # 28 t


def test_chamfer_gradient_raises_presence_at_keypoints_and_lowers_it_far_away() -> None:
    logits = torch.full((8, 8), -1.0, requires_grad=True)
    chamfer_loss(logits, torch.tensor([[1.5, 2.5]])).backward()
    assert logits.grad is not None
    assert logits.grad[2, 1] == logits.grad.min()
    assert logits.grad[2, 1] < 0 < logits.grad[7, 7]


def test_chamfer_loss_ignores_cells_of_no_weight() -> None:
    points, weights = torch.tensor([[0.5, 0.5]]), torch.ones(6, 6)
    weights[5, 5] = 0
    torch.testing.assert_close(
        chamfer_loss(binary_map([(0, 0), (5, 5)]), points, weights=weights),
        chamfer_loss(binary_map([(0, 0)]), points),
    )


def test_chamfer_loss_without_keypoints_is_the_mean_presence() -> None:
    torch.testing.assert_close(chamfer_loss(torch.zeros(4, 4), torch.zeros(0, 2)), torch.tensor(0.5))


def test_vector_loss_masks_unlabelled_joints_by_hand() -> None:
    predicted = torch.tensor([[[1.0, 2.0], [5.0, 5.0]]], requires_grad=True)
    target, labelled = torch.zeros(1, 2, 2), torch.tensor([[True, False]])
    loss = vector_mse_loss(predicted, target, labelled)
    torch.testing.assert_close(loss, torch.tensor((1.0 + 4.0) / 2))
    loss.backward()
    assert predicted.grad is not None
    torch.testing.assert_close(predicted.grad, torch.tensor([[[1.0, 2.0], [0.0, 0.0]]]))


def test_vector_loss_of_nothing_labelled_is_zero() -> None:
    assert vector_mse_loss(torch.ones(3, 17, 2), torch.zeros(3, 17, 2), torch.zeros(3, 17)) == 0


def test_balanced_sum_is_equation_5_by_hand() -> None:
    balance = BalancedSum()
    with torch.no_grad():  # l1 = 0.01 + 4.99 / 2, l2 = 0.01 + 4.99 / 4
        balance.raw.copy_(torch.tensor([0.0, -math.log(3)]))
    first, second = 2.505, 1.2575
    expected = (first * 2.0 + second * 3.0) / (first + second)
    torch.testing.assert_close(balance(torch.tensor(2.0), torch.tensor(3.0)), torch.tensor(expected))


def test_balance_begins_even() -> None:
    torch.testing.assert_close(BalancedSum().weights, torch.ones(2), atol=0.01, rtol=0)


@pytest.mark.parametrize("losses", [(1e6, 0.0), (0.0, 1e6)])
def test_balance_stays_in_its_range_after_huge_steps(losses: tuple[float, float]) -> None:
    balance = BalancedSum()
    optimizer = torch.optim.SGD(balance.parameters(), lr=1e3)
    for _ in range(20):
        optimizer.zero_grad()
        balance(torch.tensor(losses[0]), torch.tensor(losses[1])).backward()
        optimizer.step()
        assert balance.raw.isfinite().all()
        assert (balance.weights >= 0.01 - 1e-6).all()
        assert (balance.weights <= 5 + 1e-6).all()
    weights = balance.weights
    assert (weights[0] < weights[1]) == (losses[0] > losses[1])  # it moved


def test_laplace_loss_by_hand() -> None:
    predicted, target = torch.tensor([[[1.0, 5.0]]]), torch.tensor([[[2.0, 3.0]]])
    loss = laplace_loss(predicted, torch.tensor([[math.log(2)]]), target, torch.tensor([4.0]), torch.ones(1, 1))
    torch.testing.assert_close(loss, torch.tensor(2 * math.log(2 / 4) + (1 + 2) / 2))


def test_the_best_laplace_scale_is_the_mean_error_of_a_coordinate() -> None:
    log_scales = torch.tensor([[math.log(1.5)]], requires_grad=True)  # errors 1 and 2
    laplace_loss(torch.tensor([[[1.0, 2.0]]]), log_scales, torch.zeros(1, 1, 2), ONE, torch.ones(1, 1)).backward()
    assert log_scales.grad is not None
    torch.testing.assert_close(log_scales.grad, torch.zeros(1, 1))


def test_laplace_loss_does_not_depend_on_the_person_being_large() -> None:
    generator = torch.Generator().manual_seed(0)
    predicted, target = torch.rand(2, 3, 17, 2, generator=generator)
    log_scales, sizes, labelled = torch.zeros(3, 17), torch.ones(3), torch.ones(3, 17)
    torch.testing.assert_close(
        laplace_loss(7 * predicted, log_scales + math.log(7), 7 * target, 7 * sizes, labelled),
        laplace_loss(predicted, log_scales, target, sizes, labelled),
    )


def test_oks_loss_by_hand() -> None:
    predicted, kappas = torch.tensor([[[0.0, 2.0]]]), torch.tensor([0.5])
    loss = oks_loss(predicted, torch.zeros(1, 1, 2), torch.tensor([2.0]), kappas, torch.ones(1, 1))
    torch.testing.assert_close(loss, torch.tensor(math.log(3)))  # d^2 = 4, 2 (kappa s)^2 = 2


def test_oks_loss_is_one_minus_oks_nearby() -> None:
    predicted = torch.tensor([[[0.0, 0.1]]])
    loss = oks_loss(predicted, torch.zeros(1, 1, 2), ONE, ONE, torch.ones(1, 1))
    torch.testing.assert_close(loss, torch.tensor(1 - math.exp(-0.01 / 2)), atol=2e-5, rtol=0)


def test_likelihood_losses_are_means_over_labelled_joints() -> None:
    predicted = torch.tensor([[[1.0, 1.0], [9.0, 9.0]], [[3.0, 0.0], [0.0, 3.0]]])
    target, sizes, labelled = torch.zeros(2, 2, 2), torch.ones(2), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    laplace = laplace_loss(predicted, torch.zeros(2, 2), target, sizes, labelled)
    torch.testing.assert_close(laplace, torch.tensor((2.0 + 3.0 + 3.0) / 3))
    heavy = oks_loss(predicted, target, sizes, torch.ones(2), labelled)
    torch.testing.assert_close(heavy, torch.tensor((math.log(1 + 2 / 2) + 2 * math.log(1 + 9 / 2)) / 3))
