"""MobileNetV2 with a feature pyramid down to stride 4, the basis of MoveNet MultiPose and MoveNet Thunder.

Sandler et al., MobileNetV2 (CVPR 2018); Lin et al., Feature Pyramid Networks (CVPR 2017). Batch normalisation is folded
into the convolutions, as in the published weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

PYRAMID = 24  # channels of the pyramid's finest map
_GROUPS = ((1, 1), (2, 2), (3, 2), (4, 2), (3, 1), (3, 2), (1, 1))  # number of blocks, stride of the first
_TOP = 1280


class Conv(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding (which favours bottom and right) and a fused activation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        depthwise: bool = False,
        activation: str = "relu6",
        bias: bool = True,
    ) -> None:
        padding = (kernel - 1) // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, padding, groups=inputs if depthwise else 1, bias=bias)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        if self.stride[0] == 2:
            x = F.pad(x, (0, 1, 0, 1))
        x = super().forward(x)
        if self.activation == "relu6":
            return F.relu6(x)
        return F.relu(x) if self.activation == "relu" else x


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = Conv(inputs, hidden) if expansion > 1 else nn.Identity()
        self.depthwise = Conv(hidden, hidden, 3, stride, depthwise=True)
        self.project = Conv(hidden, outputs, activation="none")
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class Separable(nn.Sequential):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.depthwise = Conv(inputs, inputs, 3, depthwise=True, activation="none", bias=False)
        self.pointwise = Conv(inputs, outputs, activation="relu")


class MobilePyramid(nn.Module):
    """Images (B, 3, H, W) in [-1, 1], H and W multiples of 32 -> a map of stride 4, and the trunk's maps.

    Args:
        widths: channels of the stem and the seven groups of inverted residuals.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.stem = Conv(3, widths[0], 3, 2)
        blocks: list[InvertedResidual] = []
        inputs = widths[0]
        for outputs, (repeats, stride) in zip(widths[1:], _GROUPS, strict=True):
            for i in range(repeats):
                expansion = 1 if not blocks else 6
                blocks.append(InvertedResidual(inputs, outputs, stride if i == 0 else 1, expansion))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.top = Conv(widths[7], _TOP)
        skips = ((_TOP, 64), (widths[4], 64), (widths[3], 32), (widths[2], PYRAMID))
        self.laterals = nn.ModuleList(Conv(i, o, activation="none") for i, o in skips)
        self.smooth = nn.ModuleList(Separable(i, o) for i, o in ((64, 32), (32, PYRAMID), (PYRAMID, PYRAMID)))

    def pyramid(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The map of stride 4 (B, 24, H/4, W/4), and the outputs of the seventeen blocks."""
        x, trunk = self.stem(image), []
        for block in self.blocks:
            x = block(x)
            trunk.append(x)
        skips = (trunk[9], trunk[5], trunk[2])
        y = self.laterals[0](self.top(x))
        for lateral, smooth, skip in zip(self.laterals[1:], self.smooth, skips, strict=True):
            y = F.interpolate(y, scale_factor=2.0, mode="bilinear", align_corners=False)
            y = smooth(y + lateral(skip))
        return y, trunk
