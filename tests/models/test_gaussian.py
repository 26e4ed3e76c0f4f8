"""Gaussian weights."""

from __future__ import annotations

import torch

from votepose.models.gaussian import gaussian


def test_weights_are_exact_where_they_count_and_never_denormal() -> None:
    distance = torch.linspace(0, 40, 400)
    weights = gaussian(distance**2, 2.0)
    near = distance < 5
    torch.testing.assert_close(weights[near], torch.exp(-(distance[near] ** 2) / 2))
    assert (weights * weights * weights >= torch.finfo(torch.float32).tiny).all()
