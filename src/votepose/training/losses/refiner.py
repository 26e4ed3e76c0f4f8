"""What the second look is taught: where each labelled joint of a person is, how right it is itself, and who is nobody.

It learns from poses as inference pools them, and from true poses with the errors that pose estimators make (jitter,
sides exchanged, joints gone astray; Ronchi & Perona, ICCV 2017; Moon et al., PoseFix, CVPR 2019), so that it meets more
errors than the training pictures hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from votepose.models.heads.refiner import FINER, Look, draw, ticks
from votepose.models.heads.roi_align import COLUMNS, ROWS

_SHARE_SPOILT = 0.4  # of people, who are shown with invented errors
_INVERTED = _ASTRAY = 0.06  # of their joints
_UNDRAWN = 0.1  # of all joints: the look must do without them
_NARROWER = 0.5  # a target's radius over that of OKS' kernel
_RADII = (0.4, 2.5)  # of targets: least and greatest, in the crop's grid
WEIGHTS = {"places": 1.0, "quality": 1.0, "joints": 0.5, "seen": 0.2}
"""Of the losses in their sum; benchmarks/loss_weights.py tries others."""


@dataclass(frozen=True)
class LookTruth:
    """Who P people really are, in the grid of their crops.

    Attributes:
        keypoints: (P, K, 3) with COCO's v; zeros where nobody is.
        sizes: (P,) root of the area.
        somebody: (P,) bool: there is a labelled person.
        weight: (P,) of what is said of quality; 0 where people may be unlabelled.
    """

    keypoints: Tensor
    sizes: Tensor
    somebody: Tensor
    weight: Tensor


def spoilt(poses: Tensor, truth: LookTruth, kappas: Tensor, flip: Tensor) -> Tensor:
    """Poses (P, K, 2) to show: as they were found or, for some of the labelled people, the truth with errors."""
    labelled = truth.keypoints[..., 2] > 0
    chance = torch.rand(3, *labelled.shape, device=poses.device)
    spread = 0.8 * torch.exp(0.7 * torch.randn_like(chance[0])) * kappas * truth.sizes[:, None]
    wrong = truth.keypoints[..., :2] + torch.randn_like(poses) * spread[..., None]
    wrong = torch.where((chance[0] < _INVERTED)[..., None], wrong[:, flip], wrong)
    wrong = torch.where((chance[1] < _ASTRAY)[..., None], wrong + 3 * torch.randn_like(poses), wrong)
    use = (truth.somebody & (chance[2, :, 0] < _SHARE_SPOILT))[:, None] & labelled & labelled[:, flip]
    return torch.where(use[..., None], wrong, poses)


def drawn_in_part(poses: Tensor) -> Tensor:
    """The drawing of poses (P, K, 2), with a few joints left out."""
    kept = torch.rand(poses.shape[:2], device=poses.device) > _UNDRAWN
    return draw(poses) * kept[..., None, None]


def look_losses(look: Look, truth: LookTruth, kappas: Tensor) -> dict[str, Tensor]:
    """Scalars: `places` (Kullback-Leibler divergence from a Gaussian at the joint), `quality`, `joints` and `seen`
    (cross-entropies of the look's own judgement); `total` is what is minimised, and `oks` what is reached."""
    target, visible = truth.keypoints[..., :2], truth.keypoints[..., 2]
    labelled = (visible > 0) & truth.somebody[:, None]
    inside = (target > 0).all(dim=-1) & (target[..., 0] < COLUMNS) & (target[..., 1] < ROWS)
    radii = kappas * truth.sizes[:, None]
    kept = torch.exp(-((look.poses.detach() - target) ** 2).sum(dim=-1) / (2 * radii.clamp(min=1e-3) ** 2)) * labelled
    quality = kept.sum(dim=1) / labelled.sum(dim=1).clamp(min=1)
    weight = truth.weight * (labelled.any(dim=1) | ~truth.somebody)
    parts = {
        "places": _mean(_divergence(look.heat, target, (_NARROWER * radii).clamp(*_RADII)), labelled & inside),
        "quality": _mean(_cross_entropy(look.quality, quality), weight),
        "joints": _mean(_cross_entropy(look.confidences, kept), labelled),
        "seen": _mean(_cross_entropy(look.seen, (visible == 2).float()), labelled),
    }
    total = torch.stack([weight * parts[name] for name, weight in WEIGHTS.items()]).sum()
    return {**parts, "total": total, "oks": _mean(quality, truth.somebody)}


def _divergence(heat: Tensor, target: Tensor, radii: Tensor) -> Tensor:
    """(P, K) Kullback-Leibler divergence of the distributions heat (P, K, 64, 48) from Gaussians at (P, K, 2)."""
    x, y = ticks(heat, COLUMNS, FINER), ticks(heat, ROWS, FINER)
    across = -((x - target[..., :1]) ** 2) / (2 * radii[..., None] ** 2)
    down = -((y - target[..., 1:]) ** 2) / (2 * radii[..., None] ** 2)
    wanted = (down[..., None] + across[..., None, :]).flatten(2).log_softmax(dim=-1)
    return (wanted.exp() * (wanted - heat.flatten(2).log_softmax(dim=-1))).sum(dim=-1)


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none")


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp(min=1)
