"""Rounding: to the nearest step, or with errors that cancel; the inputs that weights meet in a graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from votepose.export.rounding import LEVELS, round_rows, second_moments, uses

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(24, 96))
STEPS = RNG.uniform(0.2, 0.6, size=24)


def test_without_moments_every_weight_goes_to_the_nearest_step() -> None:
    rounded = round_rows(ROWS, STEPS)
    assert rounded.dtype == np.int8
    assert (np.abs(rounded * STEPS[:, None] - ROWS) <= STEPS[:, None] / 2).all()


def test_inputs_that_do_not_go_together_leave_nothing_to_cancel() -> None:
    moments = np.diag(RNG.uniform(1.0, 2.0, size=96))
    np.testing.assert_array_equal(round_rows(ROWS, STEPS, moments), round_rows(ROWS, STEPS))


@pytest.mark.parametrize(("directions", "share"), [(8, 0.2), (40, 0.6), (400, 0.9)])  # of 96 inputs
def test_errors_cancel_on_inputs_that_go_together(directions: int, share: float) -> None:
    inputs = RNG.normal(size=(1000, directions)) @ RNG.normal(size=(directions, 96)) + 1.0
    moments = inputs.T @ inputs / len(inputs)

    def error(rounded: np.ndarray) -> float:
        return float(np.square(inputs @ (rounded * STEPS[:, None] - ROWS).T).mean())

    assert error(round_rows(ROWS, STEPS, moments)) < share * error(round_rows(ROWS, STEPS))


def test_numbers_stay_within_int8() -> None:
    inputs = RNG.normal(size=(1000, 4)) @ RNG.normal(size=(4, 96))
    rounded = round_rows(ROWS, np.full(24, 0.01), inputs.T @ inputs)
    assert np.abs(rounded.astype(int)).max() == LEVELS


class Net(nn.Module):
    """A strided, padded convolution, one of groups, and one linear layer that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.groups = nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.Conv2d(5, 5, 3, groups=5)
        self.linear = nn.Linear(5, 7, bias=False)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = self.conv(x)
        rows = y.flatten(2).transpose(1, 2)
        return self.groups(y), self.linear(rows), self.linear(2 * rows)


def test_moments_are_those_of_what_the_weights_meet(tmp_path: Path) -> None:
    net, path = Net().eval(), tmp_path / "net.onnx"
    pictures = [RNG.normal(size=(2, 3, 8, 10)).astype(np.float32) for _ in range(2)]
    torch.onnx.export(net, (torch.from_numpy(pictures[0]),), str(path), dynamo=False, input_names=["x"])
    model = onnx.load(path)
    found = second_moments(model, ({"x": picture} for picture in pictures))
    images = torch.from_numpy(np.concatenate(pictures))
    patches = nn.functional.unfold(images, 3, padding=1, stride=2).transpose(1, 2).reshape(-1, 27).numpy()
    middle = net.conv(images).flatten(2).transpose(1, 2).detach().reshape(-1, 5).numpy()
    wanted = {27: patches.T @ patches / len(patches), 5: 2.5 * middle.T @ middle / len(middle)}
    assert sorted(map(len, found.values())) == [5, 27]  # none of the groups
    for moments in found.values():
        np.testing.assert_allclose(moments, wanted[len(moments)], rtol=1e-4, atol=1e-4)
    assert len({use.weight for use in uses(model)}) == 3
