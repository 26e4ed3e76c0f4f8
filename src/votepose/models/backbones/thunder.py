"""MoveNet Thunder (Google, Apache-2.0), a single-person network, as an auxiliary backbone.

It was designed for crops of 256 pixels with one person in the middle, and is convolutional like MultiPose, but wider
(MobileNetV2 1.75). Here it runs on whole images, at each level of the image pyramid: for a person about two hundred
pixels tall, its keypoint heatmaps are nearly as exact as in a crop. Its output is not decoded but used as features by
the refiner and the votes. `scripts/convert_movenet.py` creates its initial weights; `votepose train --stage joint`
adapts it to whole images.
"""

from __future__ import annotations

import torch
from torch import Tensor

from votepose.models.backbones.mobilenetv2_fpn import PYRAMID, Conv, MobilePyramid, Separable
from votepose.models.backbones.movenet import HEAD_WIDTH, HEADS, scaled_output
from votepose.models.features import FeatureSpec

_WIDTHS = (56, 32, 40, 56, 112, 168, 280, 560)  # of the stem and the groups of blocks
_MIDDLE = 12  # the last block of stride 16


class Thunder(MobilePyramid):
    """Images (B, 3, H, W) in [-1, 1], H and W multiples of 32 -> the maps described by `feature_specs`: the pyramid
    with keypoint heatmaps (logits), and a map of the trunk."""

    feature_specs = (FeatureSpec(PYRAMID + HEADS["kpt_heatmap"], 4, 0.5, heatmaps=True), FeatureSpec(_WIDTHS[5], 16, 2))

    def __init__(self) -> None:
        super().__init__(_WIDTHS)
        self.hidden = Separable(PYRAMID, HEAD_WIDTH)
        self.heatmap = Conv(HEAD_WIDTH, HEADS["kpt_heatmap"], activation="none")

    def forward(self, image: Tensor) -> list[Tensor]:
        pyramid, trunk = self.pyramid(image)
        likelihoods = scaled_output("kpt_heatmap", self.heatmap(self.hidden(pyramid)))
        return [torch.cat([pyramid, likelihoods], dim=1), trunk[_MIDDLE]]
