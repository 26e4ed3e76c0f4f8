"""The four heads: one stem for all, and what each reads from its outputs. Maps are F's, unless said otherwise."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.models.outputs import Votes
from votepose.skeleton import COCO_17

JOINTS, LINKS = len(COCO_17), COCO_17.links
FINER = 2  # tags have the resolution of the keypoint maps, as in Newell's networks
OUTPUTS = {"votes": 3 * JOINTS, "tags": JOINTS * FINER**2, "affinity": 2 * len(LINKS), "centres": 1 + 2 * JOINTS}
"""Method -> channels of its output.

votes: a whole pose and the scale of each joint's error at each cell. tags: associative embedding (Newell et al. 2017).
affinity: part affinity fields (Cao et al. 2017). centres: a heatmap of people's centres, and offsets from there to
all joints (Zhou et al. 2019).
"""
METHODS = tuple(OUTPUTS)
_WIDTH = 32  # channels of the stem
_DILATIONS = 1, 3
_TAG = 8.0  # cells of the keypoint maps in which tags differ by one
_UNIT = 16.0  # cells: offsets of order one
_SCALE = math.log(4.0)  # log cells: that a fresh head predicts
_RARE = 0.01  # likelihood of a centre that a fresh head predicts


class Head(nn.Module):
    """F (B, C, h, w) -> output (B, `OUTPUTS`, h, w): a 1x1 convolution, two residual 3x3 ones, a 1x1 one."""

    def __init__(self, method: str, channels: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, _WIDTH, 1)
        self.blocks = nn.ModuleList(nn.Conv2d(_WIDTH, _WIDTH, 3, padding=d, dilation=d) for d in _DILATIONS)
        self.out = nn.Conv2d(_WIDTH, OUTPUTS[method], 1)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]
        if method == "centres":
            nn.init.constant_(self.out.bias[:1], math.log(_RARE / (1 - _RARE)))  # type: ignore[index]

    def forward(self, features: Tensor) -> Tensor:
        x = self.enter(features)
        for block in self.blocks:
            x = x + block(F.relu(x))
        output: Tensor = self.out(F.relu(x))
        return output


def cost(method: str, channels: int) -> dict[str, int]:
    """Parameters of a head, and multiply-adds at each cell."""
    weights = [p for p in Head(method, channels).parameters()]
    return {
        "parameters": sum(p.numel() for p in weights),
        "multiply_adds": sum(p.numel() for p in weights if p.dim() == 4),
    }


def votes_at(output: Tensor, cells: Tensor) -> Votes:
    """The votes of cells (B, Q), given by flat index."""
    width = output.shape[-1]
    values = output.flatten(2).gather(2, cells[:, None].expand(-1, output.shape[1], -1)).transpose(1, 2)
    centres = torch.stack([cells % width, torch.div(cells, width, rounding_mode="floor")], dim=-1) + 0.5
    vectors = values[..., : 2 * JOINTS].unflatten(-1, (JOINTS, 2)) * _UNIT
    return Votes(centres[:, :, None] + vectors, (values[..., 2 * JOINTS :] + _SCALE).clamp(-4, 5))


def tag_maps(output: Tensor) -> Tensor:
    """(B, K, FINER h, FINER w) the tag of each joint: what the head says plus where the cell lies.

    The place is added as by Novotny et al. (2018). F looks the same wherever a person stands; without their places the
    tags of all people became one, whatever the rate.
    """
    tags = F.pixel_shuffle(output, FINER)
    y, x = (torch.arange(side) for side in tags.shape[-2:])
    return tags + (x + y[:, None] / 2) / _TAG


def affinity_fields(output: Tensor) -> Tensor:
    """(B, L, 2, h, w), x first, of the skeleton's links."""
    return output.unflatten(1, (len(LINKS), 2))


def centre_maps(output: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, 1, h, w) that a person's centre lies in a cell, and from its middle the joints' offsets in cells
    (B, K, 2, h, w)."""
    return output[:, :1], output[:, 1:].unflatten(1, (JOINTS, 2)) * _UNIT
