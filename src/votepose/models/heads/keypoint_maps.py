"""One likelihood map for each joint, with offsets: a joint's own cell knows which joint it is, and where.

A vote says where a joint of *this* person lies, from afar; the map says exactly where joints of any person lie. So each
joint of a pooled pose moves towards the peak that it points at. The maps have twice the resolution of F: at stride 8
the peaks of small people, and of people close together, would merge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.models.features import KeypointMaps

FINER = 2  # the maps are finer than F by this factor
PEAKS = 128  # of each joint and image, at most
_REACH = 2.0  # Laplace scales of the pooled votes: standard deviation of the Gaussian in which a joint's peak lies
_NARROWEST = 0.5  # cells of F: of that deviation
_WEAKEST = 0.05  # likelihood: peaks below attract no joint
_DOUBT = 0.1  # a peak whose likelihood times Gaussian is this much attracts a joint halfway
_PRIOR = 0.01  # likelihood that a fresh head predicts everywhere
_NONE = -50.0  # a logit


class KeypointMapHead(nn.Module):
    """F (B, C, h, w) -> `KeypointMaps`, twice as fine.

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
    pyramid: Sequence[KeypointMaps], poses: Tensor, log_scales: Tensor, image_index: Tensor
) -> Tensor:
    """Poses with each joint nearer to the peak that it points at, the more the likelier that peak.

    A joint points at the peak of the greatest likelihood times Gaussian of the distance. The Gaussian is as wide as the
    votes are uncertain. Far and weak peaks attract no joint.

    Args:
        pyramid: maps of each level, each half the size of the one before.
        poses: (P, K, 2) in cells of the first level's F.
        log_scales: (P, K) log of the Laplace scale of each joint, in those cells.
        image_index: (P,) image of each.
    """
    return poses + _shifts(pyramid, poses, log_scales, image_index)


@torch.no_grad()  # peaks are learned through losses of their own
def _shifts(pyramid: Sequence[KeypointMaps], poses: Tensor, log_scales: Tensor, image_index: Tensor) -> Tensor:
    found = [find_peaks(maps) for maps in pyramid]
    places = torch.cat([places * 2**level for level, (places, _) in enumerate(found)], dim=2)[image_index]
    likelihoods = torch.cat([likelihoods for _, likelihoods in found], dim=2)[image_index]
    squared = ((places - poses[:, :, None]) ** 2).sum(dim=-1)
    reach = (_REACH * log_scales.exp()).clamp(min=_NARROWEST)[..., None]
    values = likelihoods * (likelihoods > _WEAKEST) * torch.exp(-squared / (2 * reach**2))
    best = values.argmax(dim=-1, keepdim=True)
    peaks, value = places.gather(2, best[..., None].expand(-1, -1, -1, 2))[:, :, 0], values.gather(2, best)
    return (peaks - poses) * (value / (value + _DOUBT))


def find_peaks(maps: KeypointMaps) -> tuple[Tensor, Tensor]:
    """The likeliest cells that are likelier than their neighbours.

    Returns:
        Where their joints lie (B, K, PEAKS, 2), in cells of F, and likelihoods (B, K, PEAKS), 0 where there are fewer.
    """
    logits = maps.logits
    peaks = torch.where(logits == F.max_pool2d(logits, 3, 1, 1), logits, _NONE)
    values, index = F.pad(peaks.flatten(2), (0, PEAKS), value=_NONE).topk(PEAKS)
    index = index * (values > _NONE)
    width = logits.shape[-1]
    cells = torch.stack([index % width, torch.div(index, width, rounding_mode="floor")], dim=-1) + 0.5
    offsets = maps.offsets.flatten(3).gather(3, index[:, :, None].expand(-1, -1, 2, -1)).transpose(2, 3)
    return (cells + offsets.float()) / FINER, values.sigmoid() * (values > _NONE)
