"""Linear regression, and the choice of the inputs that it needs most."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """What linear regression needs to know of N inputs with E channels and N targets with C channels.

    Attributes:
        gram: (E, E) covariance of the inputs, with a ridge on its diagonal.
        cross: (E, C) covariance of inputs and targets.
        input_mean, target_mean: (E,) and (C,).
    """

    gram: Tensor
    cross: Tensor
    input_mean: Tensor
    target_mean: Tensor

    @classmethod
    def of(cls, inputs: Tensor, targets: Tensor, ridge: float) -> Moments:
        """The moments of inputs (N, E) and targets (N, C); `ridge` is relative to the inputs' mean variance."""
        means = inputs.mean(dim=0), targets.mean(dim=0)
        x, y = (inputs - means[0]).double(), (targets - means[1]).double()
        gram, cross = x.T @ x / len(x), x.T @ y / len(x)
        return cls(gram + ridge * gram.diag().mean() * torch.eye(len(gram)), cross, *means)

    def at(self, chosen: Tensor) -> Moments:
        """The moments of some inputs only."""
        return Moments(self.gram[chosen][:, chosen], self.cross[chosen], self.input_mean[chosen], self.target_mean)

    def solve(self) -> tuple[Tensor, Tensor]:
        """Weights (E, C) and offset (C,) of the best prediction of the targets."""
        weights = torch.linalg.solve(self.gram, self.cross).float()
        return weights, self.target_mean - self.input_mean @ weights

    def most_needed(self, count: int) -> Tensor:
        """Indices of `count` inputs.

        The others are dropped one by one: each time the one whose loss raises the squared error least, while the
        weights of those that are left adapt (Hassibi and Stork, NeurIPS 1992).
        """
        inverse, left = torch.linalg.inv(self.gram), torch.arange(len(self.gram))
        weights = inverse @ self.cross
        while len(left) > count:
            dropped = int((weights.square().sum(dim=1) / inverse.diag()).argmin())
            column = inverse[:, dropped] / inverse[dropped, dropped].sqrt()
            weights = weights - column[:, None] * weights[dropped] / inverse[dropped, dropped].sqrt()
            inverse = inverse - column[:, None] * column
            others = torch.arange(len(left)) != dropped
            left, weights, inverse = left[others], weights[others], inverse[others][:, others]
        return left
