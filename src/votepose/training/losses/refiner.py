"""The losses of the refiner: joint positions, confidences, visibility, and the quality of poses."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from votepose.models.features import ROI_COLUMNS, ROI_ROWS
from votepose.models.heads.refiner import FINER, ticks
from votepose.models.outputs import RefinedPoses
from votepose.oks import joint_similarities
from votepose.training.refiner_targets import RefinerTargets

_NARROWER = 0.5  # radius of a target relative to that of OKS's kernel
_RADII = (0.4, 2.5)  # minimum and maximum radius of targets, in the regions' grid
WEIGHTS = {"places": 1.0, "quality": 1.0, "joints": 0.5, "seen": 0.2}
"""Weights of the losses in their sum; research/loss_weights.py tries others."""


def refiner_losses(refined: RefinedPoses, targets: RefinerTargets, kappas: Tensor) -> dict[str, Tensor]:
    """Losses of P refined poses.

    Returns:
        Scalars: `places` (Kullback-Leibler divergence from a Gaussian at the joint), `quality`, `joints` and `seen`
        (cross-entropies of the predicted quality, confidences and visibility), their `total`, and `oks`, the OKS of
        the refined poses.
    """
    target, visible = targets.keypoints[..., :2], targets.keypoints[..., 2]
    labelled = (visible > 0) & targets.is_person[:, None]
    inside = (target > 0).all(dim=-1) & (target[..., 0] < ROI_COLUMNS) & (target[..., 1] < ROI_ROWS)
    radii = kappas * targets.sizes[:, None]
    sizes = targets.sizes.clamp(min=0.02)  # avoids division by 0 for background, which has no weight
    kept = joint_similarities(refined.poses.detach(), target, sizes, kappas) * labelled
    quality = kept.sum(dim=1) / labelled.sum(dim=1).clamp(min=1)
    weight = targets.weight * (labelled.any(dim=1) | ~targets.is_person)
    parts = {
        "places": _mean(_divergence(refined.heat, target, (_NARROWER * radii).clamp(*_RADII)), labelled & inside),
        "quality": _mean(_cross_entropy(refined.quality, quality), weight),
        "joints": _mean(_cross_entropy(refined.confidences, kept), labelled),
        "seen": _mean(_cross_entropy(refined.seen, (visible == 2).float()), labelled),
    }
    total = torch.stack([weight * parts[name] for name, weight in WEIGHTS.items()]).sum()
    return {**parts, "total": total, "oks": _mean(quality, targets.is_person)}


def _divergence(heat: Tensor, target: Tensor, radii: Tensor) -> Tensor:
    """(P, K) Kullback-Leibler divergence of the distributions `heat` (P, K, 64, 48) from Gaussians at (P, K, 2)."""
    x, y = ticks(heat, ROI_COLUMNS, FINER), ticks(heat, ROI_ROWS, FINER)
    across = -((x - target[..., :1]) ** 2) / (2 * radii[..., None] ** 2)
    down = -((y - target[..., 1:]) ** 2) / (2 * radii[..., None] ** 2)
    wanted = (down[..., None] + across[..., None, :]).flatten(2).log_softmax(dim=-1)
    return (wanted.exp() * (wanted - heat.flatten(2).log_softmax(dim=-1))).sum(dim=-1)


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none")


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp(min=1)
