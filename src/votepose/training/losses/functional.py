"""The losses: one function per equation of the paper (V-C), and those of the default recipe."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def asymmetric_loss(
    logits: Tensor,
    targets: Tensor,
    gamma_positive: float,
    gamma_negative: float,
    weights: Tensor | None = None,
) -> Tensor:
    """Eq. 2 in its published form (Ridnik et al., ICCV 2021), summed and divided by the number of positives.

    The paper prints (1 - sigmoid) as the factor of both terms; for negatives that would suppress the *hard* ones and
    keep the easy ones. The published factor, sigmoid^gamma_negative, suppresses easy negatives.

    Args:
        logits, targets: (B, h, w), targets 0 or 1.
        weights: (B, h, w) weight of each cell; 0 in ignore regions.
    """
    p = logits.sigmoid()
    positive = targets * F.logsigmoid(logits) * (1 - p) ** gamma_positive
    negative = (1 - targets) * F.logsigmoid(-logits) * p**gamma_negative
    loss = -(positive + negative)
    if weights is not None:
        loss = loss * weights
    return loss.sum() / targets.sum().clamp(min=1)


def chamfer_loss(logits: Tensor, points: Tensor, temperature: float = 1.0, weights: Tensor | None = None) -> Tensor:
    """Eq. 3 between the presence map of one image and its true keypoints, made differentiable.

    The predicted set is soft: every cell belongs to it with its presence p as weight. Predicted -> true is the squared
    distance of cells to their nearest keypoint, weighted by p; true -> predicted is a soft minimum over cells,
    -t log sum_c p_c exp(-d_c^2 / t), which is d^2 to the nearest cell if p is 0 or 1 and t is small, and at most 28 t.
    Both are means, where eq. 3 has sums.

    Args:
        logits: (h, w).
        points: (n, 2) true keypoints in cells; without any, the mean presence is returned.
        temperature: t, in squared cells.
        weights: (h, w), 0 in ignore regions.
    """
    height, width = logits.shape
    p = logits.sigmoid()
    if weights is not None:
        p = p * weights
    if len(points) == 0:
        return p.mean()
    y = torch.arange(height, device=logits.device) + 0.5
    x = torch.arange(width, device=logits.device) + 0.5
    squared = (x[None, :, None] - points[:, 0]) ** 2 + (y[:, None, None] - points[:, 1]) ** 2  # (h, w, n)
    to_truth = (p * squared.amin(dim=-1)).sum() / p.sum().clamp(min=1e-6)
    log_p = torch.log(p.clamp(min=1e-12))
    to_map = -temperature * torch.logsumexp(log_p[..., None].flatten(0, 1) - squared.flatten(0, 1) / temperature, dim=0)
    return to_truth + to_map.clamp(min=0).mean()


def vector_mse_loss(predicted: Tensor, target: Tensor, labelled: Tensor) -> Tensor:
    """Eq. 4 for pose vectors (..., K, 2) in cells, without unlabelled joints (..., K)."""
    squared = ((predicted - target) ** 2).sum(dim=-1) * labelled
    return squared.sum() / (2 * labelled.sum()).clamp(min=1)


class BalancedSum(nn.Module):
    """Eq. 5: (l1 L_heatmap + l2 L_group) / (l1 + l2), with l1 and l2 learnable within [0.01, 5]."""

    low, high = 0.01, 5.0

    def __init__(self) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.full((2,), -1.4))  # both near 1

    @property
    def weights(self) -> Tensor:
        return self.low + (self.high - self.low) * self.raw.sigmoid()

    def forward(self, heatmap: Tensor, group: Tensor) -> Tensor:
        first, second = self.weights
        return (first * heatmap + second * group) / (first + second)


def laplace_loss(predicted: Tensor, log_scales: Tensor, target: Tensor, sizes: Tensor, labelled: Tensor) -> Tensor:
    """Negative log-likelihood of joints under a Laplace distribution of the predicted scale, in units of the person's
    size.

    Args:
        predicted, target: (..., K, 2) in cells; log_scales: (..., K), log cells.
        sizes: (...) square root of the person's area in cells; labelled: (..., K) 1 for labelled joints.
    """
    distance = (predicted - target).abs().sum(dim=-1)
    nll = 2 * (log_scales - sizes[..., None].log()) + distance * torch.exp(-log_scales)
    return _masked_mean(nll, labelled)


def oks_loss(predicted: Tensor, target: Tensor, sizes: Tensor, kappas: Tensor, labelled: Tensor) -> Tensor:
    """log(1 + d^2 / (2 kappa^2 s^2)), which is 1 - OKS for small d; OKS itself has no gradient far away."""
    squared = ((predicted - target) ** 2).sum(dim=-1)
    ratio = squared / (2 * (kappas * sizes[..., None]) ** 2)
    return _masked_mean(torch.log1p(ratio), labelled)


def _masked_mean(values: Tensor, labelled: Tensor) -> Tensor:
    mask = labelled.to(values.dtype)
    return (values * mask).sum() / mask.sum().clamp(min=1)
