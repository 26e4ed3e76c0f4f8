"""Layers that use our kernels instead of cuDNN's, with the same parameters, names and results up to rounding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SIDES = (3, 5)
_ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.Identity: "none",
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.SiLU: "silu",
    nn.Hardswish: "hardswish",
}


def accelerate(network: nn.Module) -> int:
    """Make a network's depthwise convolutions and batch normalisations use our GPU kernels in training.

    Only their class changes. On a CPU they behave as before, and so do batch normalisations in eval mode.

    Returns:
        The number of layers.
    """
    count = 0
    for module in network.modules():
        fast = _fast_class(module)
        if fast is not None:
            module.__class__ = fast
            count += 1
    return count


def _fast_class(module: nn.Module) -> type[nn.Module] | None:
    kind = type(module).__name__  # timm's classes by name, since networks without a timm trunk do not import it
    if isinstance(module, nn.Conv2d) and kind in ("Conv2d", "Conv2dSame"):
        square = module.kernel_size[0] == module.kernel_size[1] and module.kernel_size[0] in _SIDES
        plain = module.bias is None and module.dilation == (1, 1) and module.stride in ((1, 1), (2, 2))
        depthwise = module.groups == module.in_channels == module.out_channels
        aligned = module.out_channels % 8 == 0  # required for reads of 16 bytes
        if square and plain and depthwise and aligned:
            return FastDepthwiseSame if kind == "Conv2dSame" else FastDepthwise
    if isinstance(module, nn.BatchNorm2d) and module.affine and module.track_running_stats and module.momentum:
        if kind == "BatchNorm2d":
            return FastBatchNorm
        if kind == "BatchNormAct2d" and type(module.act) in _ACTIVATIONS and isinstance(module.drop, nn.Identity):
            return FastBatchNormAct
    return None


class FastDepthwise(nn.Conv2d):
    """A depthwise convolution with our kernel."""

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_cuda:
            return super().forward(x)
        vertical, horizontal = (int(p) for p in self.padding)
        return self._convolved(x, (vertical, vertical, horizontal, horizontal))

    def _convolved(self, x: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
        from votepose.training.kernels.depthwise import DepthwiseConvolution

        dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else x.dtype
        y: Tensor = DepthwiseConvolution.apply(x.to(dtype), self.weight.to(dtype), self.stride[0], padding)
        return y


class FastDepthwiseSame(FastDepthwise):
    """The same with TensorFlow's `SAME` padding, which is uneven for stride 2 (timm's `Conv2dSame`)."""

    def forward(self, x: Tensor) -> Tensor:
        (top, bottom), (left, right) = (self._sides(side) for side in x.shape[-2:])
        if not x.is_cuda:
            padded = F.pad(x, (left, right, top, bottom))
            return F.conv2d(padded, self.weight, None, self.stride, 0, self.dilation, self.groups)
        return self._convolved(x, (top, bottom, left, right))

    def _sides(self, length: int) -> tuple[int, int]:
        stride, side = self.stride[0], self.kernel_size[0]
        total = max(0, (-(-length // stride) - 1) * stride + side - length)
        return total // 2, total - total // 2


def _fast_norm(module: nn.BatchNorm2d, x: Tensor, activation: str) -> Tensor:
    from votepose.training.kernels.batch_norm import BatchNormActivation

    assert module.num_batches_tracked is not None
    module.num_batches_tracked.add_(1)
    numbers = module.running_mean, module.running_var, module.momentum, module.eps
    y: Tensor = BatchNormActivation.apply(x, module.weight, module.bias, *numbers, activation)
    return y


class FastBatchNorm(nn.BatchNorm2d):
    """A batch normalisation with our kernels."""

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and x.is_cuda and x.numel()):
            return super().forward(x)
        return _fast_norm(self, x, "none")


class FastBatchNormAct(nn.BatchNorm2d):
    """A batch normalisation and its activation (timm's `BatchNormAct2d`) with our kernels."""

    act: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and x.is_cuda and x.numel()):
            return self.act(super().forward(x))
        return _fast_norm(self, x, _ACTIVATIONS[type(self.act)])
