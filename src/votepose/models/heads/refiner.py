"""The pose refiner: corrects each pose as a whole after the votes have been pooled.

A small U-Net takes the person's region of the maps (see `roi_align`) with the pooled pose drawn into it, which
identifies the person where bodies overlap and reveals likely errors of votes (as in Moon et al., PoseFix, CVPR 2019, on
pixels). It outputs a distribution over the region for each joint. The joint moves to the position of maximum expected
OKS (found by mean shift with OKS's kernel) and, with an auxiliary backbone, from there towards the peak of that
backbone's heatmap. Then attention among the joints predicts each joint's accuracy and visibility, and the quality of
the pose.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.models.features import HEATMAP_LOGIT_SCALE, ROI_COLUMNS, ROI_ROWS, FeatureSpec, context_feature
from votepose.models.gaussian import gaussian
from votepose.models.heads.roi_align import grid_middle
from votepose.models.heads.vote_transformer import EncoderLayer
from votepose.models.outputs import RefinedPoses
from votepose.oks import body_sizes

FINER = 2  # factor by which the distributions' grid is finer than the region's
_SHIFTS = 3  # steps of mean shift
_BODY = 0.9  # square root of a body's area over the size of its joints' box; more than BODY_SHARE of the person's box
_SHARPEST = 0.4  # minimum kernel width, in grid units
_TOKEN = 128
_CLIP = 6.0  # in standard deviations; bounds the values outside the image, where maps are zero
_NEAR = 0.9  # distance in grid units at which a heatmap's peak has half its weight
_SNAP_RANGE = 3.0  # maximum distance of a peak in grid units; those beyond belong to another person
_OUTSIDE = 0.02  # tolerance for zero, the value outside the image, after rounding to 8 bits
_PEAK = 0.75  # radius of a peak, in grid units
_POSE_PRIOR = 10.0  # initial weight of the input pose, as a logit


class _Block(nn.Module):
    """A residual depthwise convolution and MLP (after Liu et al., ConvNeXt, CVPR 2022)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 5, padding=2, groups=width, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.wide = nn.Conv2d(width, 2 * width, 1)
        self.narrow = nn.Conv2d(2 * width, width, 1, bias=False)
        self.out = nn.BatchNorm2d(width)
        nn.init.constant_(self.out.weight, 0.2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(self.narrow(F.silu(self.wide(self.norm(self.depthwise(x))))))


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(_Block(width) for _ in range(count)))


def _into(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, stride, stride, bias=False), nn.BatchNorm2d(outputs))


class _Sharpen(nn.Module):
    """Corrects the joints' logits, from the finest region (P, C, 64, 48) and the U-Net's features (P, D, 32, 24)."""

    def __init__(self, channels: int, features: int, keypoints: int, width: int) -> None:
        super().__init__()
        self.direct = nn.Conv2d(channels, keypoints, 1, bias=False)
        nn.init.zeros_(self.direct.weight)
        self.fine = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.rough = nn.Sequential(nn.Conv2d(features, width * FINER**2, 1), nn.PixelShuffle(FINER))
        self.block = nn.Sequential(nn.BatchNorm2d(width), nn.SiLU(), _Block(width))
        self.heat = nn.Conv2d(width, keypoints, 1)
        nn.init.normal_(self.heat.weight, std=1e-3)

    def forward(self, fine: Tensor, features: Tensor) -> Tensor:
        return (self.heat(self.block(self.fine(fine) + self.rough(features))) + self.direct(fine)).float()


class PoseRefiner(nn.Module):
    """Refines the poses (P, K, 2) of P people, given their regions; input and `RefinedPoses` are in the regions' grid.

    Args:
        specs: specifications of the maps that regions are cut from. Those with a reduction of 1, 2 and 4 enter a U-Net
            of three grids; those with 0.5, if any, enter it pooled, and sharpen its output.
        keypoints: K.
        width: channels of the U-Net's finest grid; the sharpening layers have half as many.
        near_width: channels to which the maps of that grid are projected.
    """

    def __init__(self, specs: Sequence[FeatureSpec], keypoints: int, width: int, near_width: int = 64) -> None:
        super().__init__()
        self.reductions = [spec.reduction for spec in specs]
        self.heatmap_index = next((i for i, spec in enumerate(specs) if spec.heatmaps), None)
        finest, near, middle_in, deep_in = (
            sum(spec.channels for spec in specs if spec.reduction == reduction) for reduction in (0.5, 1, 2, 4)
        )
        middle, deep = width * 4 // 3, width * 2
        # Trunk features differ in scale, and some hardly vary: a large eps avoids amplifying those.
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(spec.channels, eps=1e-2, affine=False) for spec in (*specs, context_feature(specs))
        )
        self.near = nn.Conv2d(near, near_width, 1, bias=False)
        self.pooled = nn.Conv2d(finest, near_width, 1, bias=False) if finest else None
        if self.pooled is not None:
            nn.init.zeros_(self.pooled.weight)  # initially not used, so that a refiner without these maps can be kept
        self.stem = nn.Sequential(_into(2 * near_width + keypoints, width), nn.SiLU())
        self.from_middle, self.from_deep = _into(middle_in, middle), _into(deep_in, deep)
        self.down = nn.ModuleList([_into(width, middle, 2), _into(middle, deep, 2)])
        self.descent = nn.ModuleList([_blocks(width, 2), _blocks(middle, 2), _blocks(deep, 3)])
        self.up = nn.ModuleList([nn.Conv2d(middle, width, 1), nn.Conv2d(deep, middle, 1)])
        self.ascent = nn.ModuleList([_blocks(width, 2), _blocks(middle, 2)])
        spread = nn.Conv2d(width, keypoints * FINER**2, 1)
        nn.init.normal_(spread.weight, std=1e-2)  # initially the refiner keeps its input pose
        self.heat = nn.Sequential(nn.BatchNorm2d(width), spread, nn.PixelShuffle(FINER))
        self.sharpen = _Sharpen(finest, width, keypoints, (width + 1) // 2) if finest else None
        self.pose_prior_weight = nn.Parameter(torch.tensor(_POSE_PRIOR))
        self.joint_embedding = nn.Parameter(torch.randn(keypoints, _TOKEN) * 0.02)
        self.token, self.person = nn.Linear(width + 4, _TOKEN), nn.Linear(deep, _TOKEN)
        self.joint_attention = nn.ModuleList(EncoderLayer(_TOKEN, 4) for _ in range(2))
        self.norm = nn.LayerNorm(_TOKEN)
        self.confidence_head, self.quality = nn.Linear(_TOKEN, 2), nn.Linear(_TOKEN, 1)

    def forward(
        self, rois: Sequence[Tensor], poses: Tensor, kappas: Tensor, drawn: Tensor | None = None
    ) -> RefinedPoses:
        """Refine; `kappas` (K,) are the skeleton's, and `drawn` (P, K, 32, 24), if given, replaces `draw(poses)`."""
        raw = rois
        rois = [norm(x).clamp(-_CLIP, _CLIP) for norm, x in zip(self.norms, rois, strict=True)]
        near, middle, deep = (self._of(reduction, rois) for reduction in (1, 2, 4))
        detail, context = self.near(near), self.near(rois[-1])
        if self.pooled is not None:
            detail = detail + self.pooled(F.avg_pool2d(self._of(0.5, rois), FINER))
        drawn = draw(poses) if drawn is None else drawn
        x0 = self.descent[0](self.stem(torch.cat([detail, context, drawn.to(near.dtype)], dim=1)))
        x1 = self.descent[1](self.down[0](x0) + self.from_middle(middle))
        x2 = self.descent[2](self.down[1](x1) + self.from_deep(deep))
        y1 = self.ascent[1](x1 + _doubled(self.up[1](x2)))
        y0 = self.ascent[0](x0 + _doubled(self.up[0](y1)))
        sharper = self.sharpen(self._of(0.5, rois), y0) if self.sharpen is not None else 0.0
        with torch.autocast(near.device.type, enabled=False):  # bf16 would round coordinates to a quarter of a cell
            features, person = y0.float(), x2.float().mean(dim=(2, 3))
            heat = self.heat(features) + sharper + self.pose_prior_weight * _finer(drawn)
            found, expected = expected_oks_argmax(heat.detach(), kappas * (_BODY * body_sizes(poses))[:, None])
            if self.heatmap_index is not None:
                found = snap_to_peaks(found, self._likelihoods(raw))
            tokens = self._tokens(features, heat, person, found, expected, poses)
            confidences, seen = self.confidence_head(tokens).unbind(dim=-1)
            return RefinedPoses(found, confidences, seen, self.quality(tokens.mean(dim=1))[:, 0], heat)

    def _of(self, reduction: float, rois: Sequence[Tensor]) -> Tensor:
        """The regions with this reduction, without the context, which comes last."""
        return torch.cat([x for x, r in zip(rois[:-1], self.reductions, strict=True) if r == reduction], dim=1)

    def _likelihoods(self, rois: Sequence[Tensor]) -> Tensor:
        """The auxiliary backbone's heatmaps: (P, K, 64, 48) likelihoods of the joints, 0 outside the image."""
        assert self.heatmap_index is not None
        logits = rois[self.heatmap_index][:, -len(self.joint_embedding) :].float()
        inside = (logits.abs() > _OUTSIDE).any(dim=1, keepdim=True)
        return (logits * HEATMAP_LOGIT_SCALE).sigmoid() * inside

    def _tokens(
        self, features: Tensor, heat: Tensor, person: Tensor, found: Tensor, expected: Tensor, poses: Tensor
    ) -> Tensor:
        """A token per joint (P, K, D): the features at the joint's likely positions, and how far it moved."""
        places = F.avg_pool2d(_distribution(heat.detach()), FINER) * FINER**2
        seen = places.flatten(2) @ features.flatten(2).transpose(1, 2)
        moved = ((found - poses) ** 2).sum(dim=-1, keepdim=True).sqrt() / 8
        facts = torch.cat([expected[..., None], (found - grid_middle(poses)) / 16, moved.clamp(max=2)], dim=-1)
        tokens = self.token(torch.cat([seen, facts], dim=-1)) + self.joint_embedding + self.person(person)[:, None]
        for layer in self.joint_attention:
            tokens = layer(tokens, None)
        return self.norm(tokens)


def draw(poses: Tensor) -> Tensor:
    """Draw poses (P, K, 2), in the grid, as a spot for each joint: (P, K, 32, 24)."""
    return _kernel(ticks(poses, ROI_COLUMNS), ticks(poses, ROI_ROWS), poses, 1.0)


def expected_oks_argmax(heat: Tensor, radii: Tensor) -> tuple[Tensor, Tensor]:
    """The position of maximum expected OKS for each joint, and that OKS.

    Args:
        heat: (P, K, 64, 48) logits of the joints' distributions.
        radii: (P, K) radii of OKS's Gaussian kernel, kappa times the person's size, in the region's grid.

    Returns:
        (P, K, 2) positions, in the region's grid, and (P, K) the OKS expected there, in [0, 1].
    """
    chance, radii = _distribution(heat), radii.clamp(min=_SHARPEST)[..., None]
    x, y = ticks(heat, ROI_COLUMNS, FINER), ticks(heat, ROI_ROWS, FINER)
    wide, tall = _bell(x, x[:, None], radii[..., None]), _bell(y, y[:, None], radii[..., None])
    best = (tall @ chance @ wide).flatten(2).argmax(dim=-1)
    places = _shifted(chance, _points(best, x, y), radii, _SHIFTS)  # gradient ascent on the expected OKS
    return places, (chance * _kernel(x, y, places, radii)).sum(dim=(2, 3))


def snap_to_peaks(places: Tensor, likelihoods: Tensor) -> Tensor:
    """Move joints towards the nearby peak of their heatmap, in proportion to its height.

    Args:
        places: (P, K, 2) positions in the region's grid.
        likelihoods: (P, K, 64, 48) heatmaps.
    """
    x, y = ticks(likelihoods, ROI_COLUMNS, FINER), ticks(likelihoods, ROI_ROWS, FINER)
    apart = ((x - places[..., :1]) ** 2)[..., None, :] + ((y - places[..., 1:]) ** 2)[..., None]
    best = (likelihoods / (_NEAR + apart.sqrt())).flatten(2).argmax(dim=-1)
    height = likelihoods.flatten(2).gather(2, best[..., None])
    peak = _shifted(likelihoods, _points(best, x, y), _PEAK, 2)
    distance = ((peak - places) ** 2).sum(dim=-1, keepdim=True).sqrt()
    return places + (peak - places) * height * (distance < _SNAP_RANGE)


def _points(cells: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """(..., 2) the points of a grid with columns at x and rows at y, by flat index."""
    return torch.stack([x[cells % len(x)], y[torch.div(cells, len(x), rounding_mode="floor")]], dim=-1)


def _shifted(chance: Tensor, places: Tensor, radii: Tensor | float, times: int) -> Tensor:
    """Mean shift: move places (P, K, 2) uphill on `chance` (P, K, 64, 48), blurred by Gaussians of `radii`."""
    x, y = ticks(chance, ROI_COLUMNS, FINER), ticks(chance, ROI_ROWS, FINER)
    for _ in range(times):
        weights = chance * _kernel(x, y, places, radii)
        total = weights.sum(dim=(2, 3)).clamp(min=1e-12)
        across, down = (weights.sum(dim=2) * x).sum(dim=-1), (weights.sum(dim=3) * y).sum(dim=-1)
        places = torch.stack([across / total, down / total], dim=-1)
    return places


def _kernel(x: Tensor, y: Tensor, places: Tensor, radii: Tensor | float) -> Tensor:
    return _bell(y, places[..., 1:], radii)[..., None] * _bell(x, places[..., :1], radii)[..., None, :]


def _bell(points: Tensor, middle: Tensor, radius: Tensor | float) -> Tensor:
    return gaussian((points - middle) ** 2, 2 * radius**2)


def ticks(like: Tensor, count: int, finer: int = 1) -> Tensor:
    """(count * finer,) centres of the columns or rows of a grid finer by that factor, in the region's grid."""
    return (torch.arange(count * finer, device=like.device) + 0.5) / finer


def _distribution(heat: Tensor) -> Tensor:
    return heat.flatten(2).softmax(dim=-1).reshape(heat.shape)


def _finer(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=float(FINER), mode="bilinear", align_corners=False)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
