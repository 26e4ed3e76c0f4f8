"""The second look: once votes have been pooled into people, each person is looked at again, as a whole.

A small U-shaped network sees the person's crop of the maps (see `network.crops`) with the pooled pose drawn into it,
so that it knows whom to look at where bodies overlap, and can tell likely errors of votes (as Moon et al., PoseFix,
CVPR 2019, do on pixels). For each joint it answers with a distribution over the crop. The joint goes to where the most
OKS is expected (found by mean shift under OKS' own kernel) and, where there is a witness, from there towards where the
witness sees it. Then the joints talk, and say how right each is, which are visible, and how good the pose is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.models.heads.roi_align import COLUMNS, LOGITS, ROWS, Detail, coarser, grid_middle
from votepose.models.heads.vote_transformer import EncoderLayer
from votepose.oks import body_sizes

FINER = 2  # the distributions' grid is so much finer than the crop's
_SHIFTS = 3  # steps of mean shift
_BODY = 0.9  # root of a body's area over the size of its pose's box
_SHARPEST = 0.4  # grid units: the narrowest kernel
_TOKEN = 128
_FAR = 6.0  # standard deviations: beside the picture, where maps are zero, nothing is further off
_NEAR = 0.9  # grid units: at this distance a witness' peak counts half of one at the spot
_BELIEVED = 3.0  # grid units: a witness who sees a joint further off means another one
_SILENCE = 0.02  # outside of the picture maps are zero, give or take what keeping them in 8 bits costs
_PEAK = 0.75  # grid units: radius of what belongs to a peak
_TRUST = 10.0  # a logit: how sure a fresh look is of the pose that it is shown


@dataclass(frozen=True)
class Look:
    """What is seen of P people, in the unit that the poses came in.

    Attributes:
        poses: (P, K, 2) corrected joints.
        confidences: (P, K) logits of the share of OKS that each joint is expected to keep.
        seen: (P, K) logits that the joint is visible.
        quality: (P,) logits of the OKS that the pose is expected to have with the true one.
        heat: (P, K, 64, 48) logits of the distribution of each joint over the crop.
    """

    poses: Tensor
    confidences: Tensor
    seen: Tensor
    quality: Tensor
    heat: Tensor


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
    """A finest crop (P, C, 64, 48) and the U's features (P, D, 32, 24) -> what to add to the joints' logits."""

    def __init__(self, channels: int, features: int, keypoints: int, width: int = 48) -> None:
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


class SecondLook(nn.Module):
    """Crops of P people and their poses (P, K, 2) in the crops' grid -> a `Look` in that grid.

    Args:
        detailed: the cropped maps. Those of a reduction of 1, 2 and 4 enter a U of three grids; those of 0.5, if any,
            enter it pooled, and sharpen what comes out of it.
        keypoints: K.
        width: channels of the finest grid.
        detail: channels that its maps are reduced to.
    """

    def __init__(self, detailed: Sequence[Detail], keypoints: int, width: int, detail: int = 64) -> None:
        super().__init__()
        self.reductions = [each.reduction for each in detailed]
        self.testimony = next((i for i, each in enumerate(detailed) if each.testimony), None)
        finest, near, middle_in, deep_in = (
            sum(each.channels for each in detailed if each.reduction == reduction) for reduction in (0.5, 1, 2, 4)
        )
        middle, deep = width * 4 // 3, width * 2
        # Trunk features have no common scale, and some hardly vary: a large eps leaves those alone.
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(each.channels, eps=1e-2, affine=False) for each in (*detailed, coarser(detailed))
        )
        self.detail = nn.Conv2d(near, detail, 1, bias=False)
        self.pooled = nn.Conv2d(finest, detail, 1, bias=False) if finest else None
        self.stem = nn.Sequential(_into(2 * detail + keypoints, width), nn.SiLU())
        self.from_middle, self.from_deep = _into(middle_in, middle), _into(deep_in, deep)
        self.down = nn.ModuleList([_into(width, middle, 2), _into(middle, deep, 2)])
        self.descent = nn.ModuleList([_blocks(width, 2), _blocks(middle, 2), _blocks(deep, 3)])
        self.up = nn.ModuleList([nn.Conv2d(middle, width, 1), nn.Conv2d(deep, middle, 1)])
        self.ascent = nn.ModuleList([_blocks(width, 2), _blocks(middle, 2)])
        spread = nn.Conv2d(width, keypoints * FINER**2, 1)
        nn.init.normal_(spread.weight, std=1e-2)  # a fresh look believes what it is shown
        self.heat = nn.Sequential(nn.BatchNorm2d(width), spread, nn.PixelShuffle(FINER))
        self.sharpen = _Sharpen(finest, width, keypoints) if finest else None
        self.trust = nn.Parameter(torch.tensor(_TRUST))
        self.joint = nn.Parameter(torch.randn(keypoints, _TOKEN) * 0.02)
        self.token, self.person = nn.Linear(width + 4, _TOKEN), nn.Linear(deep, _TOKEN)
        self.talk = nn.ModuleList(EncoderLayer(_TOKEN, 4) for _ in range(2))
        self.norm = nn.LayerNorm(_TOKEN)
        self.judge, self.quality = nn.Linear(_TOKEN, 2), nn.Linear(_TOKEN, 1)

    def forward(self, crops: Sequence[Tensor], poses: Tensor, kappas: Tensor, drawn: Tensor | None = None) -> Look:
        """`kappas` (K,) are the skeleton's. `drawn` (P, K, 32, 24), if given, is shown in place of `draw(poses)`."""
        raw = crops
        crops = [norm(x).clamp(-_FAR, _FAR) for norm, x in zip(self.norms, crops, strict=True)]
        near, middle, deep = (self._of(reduction, crops) for reduction in (1, 2, 4))
        detail, coarse = self.detail(near), self.detail(crops[-1])
        if self.pooled is not None:
            detail = detail + self.pooled(F.avg_pool2d(self._of(0.5, crops), FINER))
        drawn = draw(poses) if drawn is None else drawn
        x0 = self.descent[0](self.stem(torch.cat([detail, coarse, drawn.to(near.dtype)], dim=1)))
        x1 = self.descent[1](self.down[0](x0) + self.from_middle(middle))
        x2 = self.descent[2](self.down[1](x1) + self.from_deep(deep))
        y1 = self.ascent[1](x1 + _doubled(self.up[1](x2)))
        y0 = self.ascent[0](x0 + _doubled(self.up[0](y1)))
        sharper = self.sharpen(self._of(0.5, crops), y0) if self.sharpen is not None else 0.0
        with torch.autocast(near.device.type, enabled=False):  # bf16 would round coordinates to a quarter of a cell
            features, person = y0.float(), x2.float().mean(dim=(2, 3))
            heat = self.heat(features) + sharper + self.trust * _finer(drawn)
            found, expected = best_places(heat.detach(), kappas * (_BODY * body_sizes(poses))[:, None])
            if self.testimony is not None:
                found = persuaded(found, self._likelihoods(raw))
            tokens = self._tokens(features, heat, person, found, expected, poses)
            confidences, seen = self.judge(tokens).unbind(dim=-1)
            return Look(found, confidences, seen, self.quality(tokens.mean(dim=1))[:, 0], heat)

    def _of(self, reduction: float, crops: Sequence[Tensor]) -> Tensor:
        """The crops of this reduction, but for the coarser level's, which is the last of them all."""
        return torch.cat([x for x, r in zip(crops[:-1], self.reductions, strict=True) if r == reduction], dim=1)

    def _likelihoods(self, crops: Sequence[Tensor]) -> Tensor:
        """What the witness sees: (P, K, 64, 48) likelihoods of the joints, none outside of the picture."""
        assert self.testimony is not None
        logits = crops[self.testimony][:, -len(self.joint) :].float()
        inside = (logits.abs() > _SILENCE).any(dim=1, keepdim=True)
        return (logits * LOGITS).sigmoid() * inside

    def _tokens(
        self, features: Tensor, heat: Tensor, person: Tensor, found: Tensor, expected: Tensor, poses: Tensor
    ) -> Tensor:
        """A token a joint (P, K, D): what is to be seen where the joint may be, and how far it went."""
        places = F.avg_pool2d(_distribution(heat.detach()), FINER) * FINER**2
        seen = places.flatten(2) @ features.flatten(2).transpose(1, 2)
        moved = ((found - poses) ** 2).sum(dim=-1, keepdim=True).sqrt() / 8
        facts = torch.cat([expected[..., None], (found - grid_middle(poses)) / 16, moved.clamp(max=2)], dim=-1)
        tokens = self.token(torch.cat([seen, facts], dim=-1)) + self.joint + self.person(person)[:, None]
        for layer in self.talk:
            tokens = layer(tokens, None)
        return self.norm(tokens)


def draw(poses: Tensor) -> Tensor:
    """Poses (P, K, 2) in the grid -> (P, K, 32, 24) a spot a joint."""
    return _kernel(ticks(poses, COLUMNS), ticks(poses, ROWS), poses, 1.0)


def best_places(heat: Tensor, radii: Tensor) -> tuple[Tensor, Tensor]:
    """Where each joint is expected to earn the most OKS, and how much.

    Args:
        heat: (P, K, 64, 48) logits of its distribution.
        radii: (P, K) of OKS' Gaussian kernel, kappa times the person's size, in the crop's grid.

    Returns:
        (P, K, 2) places, in the crop's grid, and (P, K) the OKS expected there, in [0, 1].
    """
    chance, radii = _distribution(heat), radii.clamp(min=_SHARPEST)[..., None]
    x, y = ticks(heat, COLUMNS, FINER), ticks(heat, ROWS, FINER)
    wide, tall = _bell(x, x[:, None], radii[..., None]), _bell(y, y[:, None], radii[..., None])
    best = (tall @ chance @ wide).flatten(2).argmax(dim=-1)
    places = _shifted(chance, _points(best, x, y), radii, _SHIFTS)  # uphill on the expected OKS
    return places, (chance * _kernel(x, y, places, radii)).sum(dim=(2, 3))


def persuaded(places: Tensor, likelihoods: Tensor) -> Tensor:
    """Places (P, K, 2) of joints, in the crop's grid, moved towards where a witness sees them nearby, as far as it is
    sure: `likelihoods` (P, K, 64, 48)."""
    x, y = ticks(likelihoods, COLUMNS, FINER), ticks(likelihoods, ROWS, FINER)
    apart = ((x - places[..., :1]) ** 2)[..., None, :] + ((y - places[..., 1:]) ** 2)[..., None]
    best = (likelihoods / (_NEAR + apart.sqrt())).flatten(2).argmax(dim=-1)
    sure = likelihoods.flatten(2).gather(2, best[..., None])
    peak = _shifted(likelihoods, _points(best, x, y), _PEAK, 2)
    distance = ((peak - places) ** 2).sum(dim=-1, keepdim=True).sqrt()
    return places + (peak - places) * sure * (distance < _BELIEVED)


def _points(cells: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """(..., 2) the points of a grid with columns at x and rows at y that have these flat numbers."""
    return torch.stack([x[cells % len(x)], y[torch.div(cells, len(x), rounding_mode="floor")]], dim=-1)


def _shifted(chance: Tensor, places: Tensor, radii: Tensor | float, times: int) -> Tensor:
    """Places (P, K, 2) moved uphill on `chance` (P, K, 64, 48), blurred by Gaussians of `radii`: mean shift."""
    x, y = ticks(chance, COLUMNS, FINER), ticks(chance, ROWS, FINER)
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
    """(count * finer,) centres of the columns or rows of a grid so much finer, in the crop's grid."""
    return (torch.arange(count * finer, device=like.device) + 0.5) / finer


def _distribution(heat: Tensor) -> Tensor:
    return heat.flatten(2).softmax(dim=-1).reshape(heat.shape)


def _finer(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=float(FINER), mode="bilinear", align_corners=False)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
