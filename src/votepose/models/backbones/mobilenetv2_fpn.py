"""MobileNetV2 with a feature pyramid down to stride 4, the basis of MoveNet MultiPose and MoveNet Thunder.

Sandler et al., MobileNetV2 (CVPR 2018); Lin et al., Feature Pyramid Networks (CVPR 2017). Batch normalisation is folded
into the convolutions, as in the published weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PYRAMID = 24  # channels of the pyramid's finest map
_GROUPS = ((1, 1), (2, 2), (3, 2), (4, 2), (3, 1), (3, 2), (1, 1))  # number of blocks, stride of the first
_TOP = 1280
_STRIPS = {1: 4, 2: 4, 3: 2}  # of the blocks whose expanded maps are larger than a cache


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
        return self._activated(super().forward(x))

    def padded(self, x: Tensor, top: int, bottom: int) -> Tensor:
        """As `forward` of a 3x3 kernel, with as many rows of zeros above and below as given."""
        x = F.pad(x, (2 - self.stride[0], 1, top, bottom))
        return self._activated(F.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups))

    def _activated(self, x: Tensor) -> Tensor:
        if self.activation == "relu6":
            return F.relu6(x)
        return F.relu(x) if self.activation == "relu" else x


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and projection (B, C, h, w) -> (B, C', h / stride, w / stride).

    With `strips`, inference without gradients on a CPU goes through the map in that many strips of rows, so that the
    expanded maps stay in the cache; the height must then be a multiple of `strips` times the stride.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int, strips: int = 1) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = Conv(inputs, hidden) if expansion > 1 else nn.Identity()
        self.depthwise = Conv(hidden, hidden, 3, stride, depthwise=True)
        self.project = Conv(hidden, outputs, activation="none")
        self.residual = stride == 1 and inputs == outputs
        self.strips = strips

    def forward(self, x: Tensor) -> Tensor:
        in_strips = self.strips > 1 and not torch.is_grad_enabled() and x.device.type == "cpu"
        y = self._in_strips(x) if in_strips else self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y

    def _in_strips(self, x: Tensor) -> Tensor:
        rows, above, strips = x.shape[2] // self.strips, 2 - self.depthwise.stride[0], []
        for i in range(self.strips):  # each with the rows beside it that the depthwise convolution reads
            first, last = i == 0, i == self.strips - 1
            start = 0 if first else i * rows - above
            strip = self.expand(x[:, :, start:] if last else x[:, :, start : (i + 1) * rows + 1])
            strips.append(self.project(self.depthwise.padded(strip, top=above * first, bottom=int(last))))
        return torch.cat(strips, dim=2)


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
                strips = _STRIPS.get(len(blocks), 1)
                blocks.append(InvertedResidual(inputs, outputs, stride if i == 0 else 1, expansion, strips))
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
