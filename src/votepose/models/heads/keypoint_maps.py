"""Keypoint maps: a likelihood map with offsets for each joint.

A vote predicts the joints of *one* person from a distance; the maps locate joints of any person exactly. So each joint
of a pooled pose moves towards the peak that it points at. The maps have twice the resolution of F, since at stride 8
the peaks of small people, and of people close together, would merge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.models.features import Extent, KeypointMaps

FINER = 2  # factor by which the maps are finer than F
PEAKS = 128  # maximum per joint and image
_REACH = 2.0  # standard deviation of the Gaussian around a joint, in Laplace scales of the pooled votes
_NARROWEST = 0.5  # minimum of that deviation, in cells of F
_WEAKEST = 0.05  # minimum likelihood of a peak that attracts a joint
_DOUBT = 0.1  # likelihood times Gaussian at which a peak attracts a joint halfway
_PRIOR = 0.01  # initial likelihood everywhere
_NONE = -50.0  # a logit


class KeypointMapHead(nn.Module):
    """F (B, C, h, w) -> `KeypointMaps` of twice the resolution.

    Args:
        channels: C.
        width: channels of the hidden layer.
        keypoints: K.
    """

    def __init__(self, channels: int, width: int, keypoints: int) -> None:
        super().__init__()
        self.keypoints = keypoints
        self.hidden = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.out = nn.Conv2d(width, 3 * keypoints * FINER**2, 1)
        nn.init.normal_(self.out.weight, std=0.01)
        bias = torch.zeros(3, keypoints * FINER**2)
        bias[0] = math.log(_PRIOR / (1 - _PRIOR))
        self.out.bias = nn.Parameter(bias.flatten())

    def forward(self, features: Tensor) -> KeypointMaps:
        x = F.pixel_shuffle(self.out(self.hidden(features)), FINER)
        offsets = x[:, self.keypoints :]
        return KeypointMaps(
            x[:, : self.keypoints].float(), offsets.reshape(x.shape[0], self.keypoints, 2, *x.shape[-2:])
        )


def snap_to_keypoints(
    pyramid: Sequence[KeypointMaps],
    poses: Tensor,
    log_scales: Tensor,
    image_index: Tensor,
    finest: Extent | None = None,
) -> Tensor:
    """Move each joint towards the peak that it points at, in proportion to the peak's weight.

    A joint points at the peak with the largest product of likelihood and a Gaussian of the distance, whose width is the
    votes' uncertainty. Distant and weak peaks attract no joint.

    Args:
        pyramid: maps of each level, each half the size of the one before.
        poses: (P, K, 2) in cells of the first level's F.
        log_scales: (P, K) log of the Laplace scale of each joint, in those cells.
        image_index: (P,) image of each.
        finest: extent of the first level's maps, if they do not cover the image.
    """
    return poses + _shifts(pyramid, poses, log_scales, image_index, finest)


@torch.no_grad()  # peaks are trained with separate losses
def _shifts(
    pyramid: Sequence[KeypointMaps],
    poses: Tensor,
    log_scales: Tensor,
    image_index: Tensor,
    finest: Extent | None,
) -> Tensor:
    found = [find_peaks(maps) for maps in pyramid]
    scaled = [places * 2**level for level, (places, _) in enumerate(found)]
    if finest is not None:
        scaled[0] = scaled[0] + finest.origin
    places = torch.cat(scaled, dim=2)[image_index]
    likelihoods = torch.cat([likelihoods for _, likelihoods in found], dim=2)[image_index]
    squared = ((places - poses[:, :, None]) ** 2).sum(dim=-1)
    reach = (_REACH * log_scales.exp()).clamp(min=_NARROWEST)[..., None]
    values = likelihoods * (likelihoods > _WEAKEST) * torch.exp(-squared / (2 * reach**2))
    best = values.argmax(dim=-1, keepdim=True)
    peaks, value = places.gather(2, best[..., None].expand(-1, -1, -1, 2))[:, :, 0], values.gather(2, best)
    return (peaks - poses) * (value / (value + _DOUBT))


def find_peaks(maps: KeypointMaps) -> tuple[Tensor, Tensor]:
    """The highest local maxima of the maps.

    Returns:
        Positions (B, K, PEAKS, 2), in cells of F, and likelihoods (B, K, PEAKS), 0 for missing peaks.
    """
    logits = maps.logits
    peaks = torch.where(logits == F.max_pool2d(logits, 3, 1, 1), logits, _NONE)
    values, index = F.pad(peaks.flatten(2), (0, PEAKS), value=_NONE).topk(PEAKS)
    index = index * (values > _NONE)
    width = logits.shape[-1]
    cells = torch.stack([index % width, torch.div(index, width, rounding_mode="floor")], dim=-1) + 0.5
    offsets = maps.offsets.flatten(3).gather(3, index[:, :, None].expand(-1, -1, 2, -1)).transpose(2, 3)
    return (cells + offsets.float()) / FINER, values.sigmoid() * (values > _NONE)
