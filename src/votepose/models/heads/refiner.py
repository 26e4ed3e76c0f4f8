"""The pose refiner: once votes have been pooled into people, each pose is corrected as a whole.

A small U-Net reads the person's region of the maps (see `roi_align`) with the pooled pose drawn into it, so that it
knows which person is meant where bodies overlap, and can recognise likely errors of votes (as Moon et al., PoseFix,
CVPR 2019, do on pixels). It returns a distribution over the region for each joint. The joint moves to where the most
OKS is expected (found by mean shift under OKS' own kernel) and, with an auxiliary backbone, from there towards the peak
of that backbone's heatmap. Then attention among the joints predicts how right each is, which are visible, and how good
the pose is.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.models.features import HEATMAP_LOGIT_SCALE, ROI_COLUMNS, ROI_ROWS, FeatureSpec, context_feature
from votepose.models.heads.roi_align import grid_middle
from votepose.models.heads.vote_transformer import EncoderLayer
from votepose.models.outputs import RefinedPoses
from votepose.oks import body_sizes

FINER = 2  # the distributions' grid is finer than the region's by this factor
_SHIFTS = 3  # steps of mean shift
_BODY = 0.9  # root of a body's area over the size of its pose's box
_SHARPEST = 0.4  # grid units: the narrowest kernel
_TOKEN = 128
_CLIP = 6.0  # standard deviations: outside the image maps are zero, and no value lies further off
_NEAR = 0.9  # grid units: at this distance a heatmap's peak counts half as much as on the spot
_SNAP_RANGE = 3.0  # grid units: a peak further off belongs to another person
_OUTSIDE = 0.02  # outside the image maps are zero, up to the rounding of 8-bit storage
_PEAK = 0.75  # grid units: radius of what belongs to a peak
_POSE_PRIOR = 10.0  # a logit: weight that a fresh refiner gives to the pose that it is shown


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
    """A finest region (P, C, 64, 48) and the U-Net's features (P, D, 32, 24) -> a correction of the joints' logits."""

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
    """Regions of P people and their poses (P, K, 2) in the regions' grid -> `RefinedPoses` in that grid.

    Args:
        specs: of the maps that regions are cut from. Those of a reduction of 1, 2 and 4 enter a U-Net of three grids;
            those of 0.5, if any, enter it pooled, and sharpen its output.
        keypoints: K.
        width: channels of the finest grid of the U-Net; what sharpens its output has half as many.
        near_width: channels that the maps of that grid are projected to.
    """

    def __init__(self, specs: Sequence[FeatureSpec], keypoints: int, width: int, near_width: int = 64) -> None:
        super().__init__()
        self.reductions = [spec.reduction for spec in specs]
        self.heatmap_index = next((i for i, spec in enumerate(specs) if spec.heatmaps), None)
        finest, near, middle_in, deep_in = (
            sum(spec.channels for spec in specs if spec.reduction == reduction) for reduction in (0.5, 1, 2, 4)
        )
        middle, deep = width * 4 // 3, width * 2
        # Trunk features have no common scale, and some hardly vary: a large eps leaves those alone.
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(spec.channels, eps=1e-2, affine=False) for spec in (*specs, context_feature(specs))
        )
        self.near = nn.Conv2d(near, near_width, 1, bias=False)
        self.pooled = nn.Conv2d(finest, near_width, 1, bias=False) if finest else None
        self.stem = nn.Sequential(_into(2 * near_width + keypoints, width), nn.SiLU())
        self.from_middle, self.from_deep = _into(middle_in, middle), _into(deep_in, deep)
        self.down = nn.ModuleList([_into(width, middle, 2), _into(middle, deep, 2)])
        self.descent = nn.ModuleList([_blocks(width, 2), _blocks(middle, 2), _blocks(deep, 3)])
        self.up = nn.ModuleList([nn.Conv2d(middle, width, 1), nn.Conv2d(deep, middle, 1)])
        self.ascent = nn.ModuleList([_blocks(width, 2), _blocks(middle, 2)])
        spread = nn.Conv2d(width, keypoints * FINER**2, 1)
        nn.init.normal_(spread.weight, std=1e-2)  # a fresh refiner keeps the pose that it is shown
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
        """`kappas` (K,) are the skeleton's. `drawn` (P, K, 32, 24), if given, is shown in place of `draw(poses)`."""
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
        """The regions of this reduction, without the context, which comes last."""
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
        """A token per joint (P, K, D): the features where the joint may be, and how far it moved."""
        places = F.avg_pool2d(_distribution(heat.detach()), FINER) * FINER**2
        seen = places.flatten(2) @ features.flatten(2).transpose(1, 2)
        moved = ((found - poses) ** 2).sum(dim=-1, keepdim=True).sqrt() / 8
        facts = torch.cat([expected[..., None], (found - grid_middle(poses)) / 16, moved.clamp(max=2)], dim=-1)
        tokens = self.token(torch.cat([seen, facts], dim=-1)) + self.joint_embedding + self.person(person)[:, None]
        for layer in self.joint_attention:
            tokens = layer(tokens, None)
        return self.norm(tokens)


def draw(poses: Tensor) -> Tensor:
    """Poses (P, K, 2) in the grid -> (P, K, 32, 24) a spot for each joint."""
    return _kernel(ticks(poses, ROI_COLUMNS), ticks(poses, ROI_ROWS), poses, 1.0)


def expected_oks_argmax(heat: Tensor, radii: Tensor) -> tuple[Tensor, Tensor]:
    """The place where each joint is expected to keep the most OKS, and how much.

    Args:
        heat: (P, K, 64, 48) logits of its distribution.
        radii: (P, K) of OKS' Gaussian kernel, kappa times the person's size, in the region's grid.

    Returns:
        (P, K, 2) places, in the region's grid, and (P, K) the OKS expected there, in [0, 1].
    """
    chance, radii = _distribution(heat), radii.clamp(min=_SHARPEST)[..., None]
    x, y = ticks(heat, ROI_COLUMNS, FINER), ticks(heat, ROI_ROWS, FINER)
    wide, tall = _bell(x, x[:, None], radii[..., None]), _bell(y, y[:, None], radii[..., None])
    best = (tall @ chance @ wide).flatten(2).argmax(dim=-1)
    places = _shifted(chance, _points(best, x, y), radii, _SHIFTS)  # uphill on the expected OKS
    return places, (chance * _kernel(x, y, places, radii)).sum(dim=(2, 3))


def snap_to_peaks(places: Tensor, likelihoods: Tensor) -> Tensor:
    """Joints moved towards the nearby peak of their heatmap, in proportion to its height.

    Args:
        places: (P, K, 2) in the region's grid.
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
    """(..., 2) the points of a grid, with columns at x and rows at y, at these flat indices."""
    return torch.stack([x[cells % len(x)], y[torch.div(cells, len(x), rounding_mode="floor")]], dim=-1)


def _shifted(chance: Tensor, places: Tensor, radii: Tensor | float, times: int) -> Tensor:
    """Places (P, K, 2) moved uphill on `chance` (P, K, 64, 48), blurred by Gaussians of `radii`: mean shift."""
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
    return torch.exp(-((points - middle) ** 2) / (2 * radius**2))


def ticks(like: Tensor, count: int, finer: int = 1) -> Tensor:
    """(count * finer,) centres of the columns or rows of a grid finer by that factor, in the region's grid."""
    return (torch.arange(count * finer, device=like.device) + 0.5) / finer


def _distribution(heat: Tensor) -> Tensor:
    return heat.flatten(2).softmax(dim=-1).reshape(heat.shape)


def _finer(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=float(FINER), mode="bilinear", align_corners=False)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
