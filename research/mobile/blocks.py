"""Inverted residual blocks that imitate wider ones.

A block expands its input, convolves each channel (depthwise), and combines the channels linearly. A narrower block
keeps those channels of trained blocks that predict their output best, and combines them anew by least squares.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from research.mobile.least_squares import Moments

SHARPNESS = 3.0  # scale of a hard swish's input at which it resembles the trained ReLU
_CELLS = 40_000  # number of cells that a block is fitted to
_MEASURED = 6  # number of batches from which norms learn their statistics
_KERNEL_BATCHES = 3  # the same for depthwise kernels
_RIDGE = 1e-4
_GATE = 5.5 / 6  # initial gate of squeeze-and-excitation: open, but not saturated


@dataclass(frozen=True)
class Activation:
    """A block's activation, nearly a ReLU.

    A hard swish is sharpened: its input is multiplied by `sharpness`, and its output divided, which the block's own
    weights do later.
    """

    sharpness: float

    @classmethod
    def of(cls, layer: nn.Module) -> Activation:
        """That of timm's block or norm."""
        return cls(1.0 if isinstance(layer, nn.ReLU) else SHARPNESS)

    def __call__(self, x: Tensor) -> Tensor:
        return F.relu(x) if self.sharpness == 1 else F.hardswish(self.sharpness * x) / self.sharpness


@dataclass(frozen=True)
class Channels:
    """The expanded channels of trained blocks, with norms folded into weights.

    Attributes:
        expand, expand_bias: (E, C, 1, 1) and (E,), or None if the input is not expanded.
        kernels, bias: (E, 1, k, k) and (E,) of the depthwise convolution.
    """

    expand: Tensor | None
    expand_bias: Tensor | None
    kernels: Tensor
    bias: Tensor

    @classmethod
    def of(cls, block: Any, inputs: Tensor | None = None) -> Channels:
        """Those of timm's block; `inputs` (C, c) maps the narrower block's input to this one's."""
        if not hasattr(block, "conv_pwl"):  # depthwise separable
            return cls(None, None, *folded(block.conv_dw.weight, block.bn1))
        expand, bias = folded(block.conv_pw.weight, block.bn1)
        if inputs is not None:
            expand = torch.einsum("echw,cd->edhw", expand, inputs)
        return cls(expand, bias, *folded(block.conv_dw.weight, block.bn2))

    @classmethod
    def joined(cls, groups: Sequence[Channels]) -> Channels:
        """The channels of several blocks, whose kernels have one size."""
        expand = [group.expand for group in groups if group.expand is not None]
        biases = [group.expand_bias for group in groups if group.expand_bias is not None]
        kernels, bias = torch.cat([group.kernels for group in groups]), torch.cat([group.bias for group in groups])
        return cls(torch.cat(expand) if expand else None, torch.cat(biases) if biases else None, kernels, bias)

    def at(self, chosen: Tensor) -> Channels:
        """Some of the channels."""
        expand, bias = (None if x is None else x[chosen] for x in (self.expand, self.expand_bias))
        return Channels(expand, bias, self.kernels[chosen], self.bias[chosen])

    def expanded(self, x: Tensor, activation: Activation) -> Tensor:
        """The depthwise convolution's input."""
        return x if self.expand is None else activation(F.conv2d(x, self.expand, self.expand_bias))

    def activations(self, x: Tensor, activation: Activation, stride: int) -> Tensor:
        """The channels' values (B, E, h, w)."""
        convolved = _depthwise(self.expanded(x, activation), self.kernels, stride)
        return activation(convolved + self.bias[:, None, None])

    def with_kernels(self, size: int, inputs: Sequence[Tensor], activation: Activation) -> Channels:
        """With depthwise kernels of this size: padded, or fitted to the larger kernels' output (stride 1)."""
        margin = (size - self.kernels.shape[-1]) // 2
        if margin >= 0:
            return Channels(self.expand, self.expand_bias, F.pad(self.kernels, [margin] * 4), self.bias)
        gram, cross = torch.zeros(()), torch.zeros(())
        for x in inputs[:_KERNEL_BATCHES]:
            expanded = self.expanded(x, activation)
            shape = (len(expanded), len(self.bias), size**2, *expanded.shape[-2:])
            near = F.unfold(expanded, size, padding=size // 2).reshape(shape)
            near, wanted = near - near.mean((0, 3, 4), keepdim=True), _depthwise(expanded, self.kernels, 1)
            gram = gram + torch.einsum("neahw,nebhw->eab", near, near)
            cross = cross + torch.einsum("neahw,nehw->ea", near, wanted)
        ridge = 1e-3 * torch.diag_embed(gram.diagonal(dim1=1, dim2=2)) + 1e-4 * torch.eye(size**2)
        kernels = torch.linalg.solve(gram + ridge, cross).reshape(-1, 1, size, size)
        return Channels(self.expand, self.expand_bias, kernels, self.bias)


def fit_block(
    block: Any, inputs: Sequence[Tensor], channels: Sequence[Channels], targets: Sequence[Tensor]
) -> tuple[list[Tensor], float]:
    """Set the weights of a block so that its outputs are close to the targets.

    Args:
        block: timm's inverted residual or depthwise separable block, in eval mode.
        inputs: batches (B, c, H, W).
        channels: the channels to choose from, of one trained block or more.
        targets: batches (B, C, h, w).

    Returns:
        The block's outputs, and the share of the targets' variance that they do not explain.
    """
    activation, stride, size = Activation.of(block.bn1.act), block.conv_dw.stride[0], block.conv_dw.kernel_size[0]
    candidates = Channels.joined([group.with_kernels(size, inputs, activation) for group in channels])
    wanted = [y - x for x, y in zip(inputs, targets, strict=True)] if block.has_skip else targets
    values = (candidates.activations(x, activation, stride) for x in inputs)
    moments = Moments.of(*cells(values, wanted), _RIDGE)
    chosen = moments.most_needed(len(block.conv_dw.weight))
    _set_weights(block, inputs, candidates.at(chosen), *moments.at(chosen).solve(), activation.sharpness)
    outputs = [block(x) for x in inputs]
    return outputs, unexplained(outputs, targets)


def _set_weights(
    block: Any, inputs: Sequence[Tensor], channels: Channels, weights: Tensor, offset: Tensor, sharpness: float
) -> None:
    expands, inputs = hasattr(block, "conv_pwl"), inputs[:_MEASURED]
    norm, combine, last_norm = (
        (block.bn2, block.conv_pwl, block.bn3) if expands else (block.bn1, block.conv_pw, block.bn2)
    )
    if expands:
        assert channels.expand is not None
        assert channels.expand_bias is not None
        block.conv_pw.weight.copy_(channels.expand)
        inputs = set_norm(block.bn1, [block.conv_pw(x) for x in inputs], sharpness, sharpness * channels.expand_bias)
    block.conv_dw.weight.copy_(channels.kernels / (sharpness if expands else 1))
    values = set_norm(norm, [block.conv_dw(x) for x in inputs], sharpness, sharpness * channels.bias)
    gate = 1.0
    if not isinstance(block.se, nn.Identity):
        gate = _GATE
        nn.init.normal_(block.se.conv_expand.weight, std=1e-3)
        nn.init.constant_(block.se.conv_expand.bias, 6 * _GATE - 3)
    combine.weight.copy_(weights.T[:, :, None, None] / (sharpness * gate))
    set_norm(last_norm, [combine(block.se(x)) for x in values], 1.0, offset)


def set_norm(norm: Any, inputs: Sequence[Tensor], scale: float, offset: Tensor) -> list[Tensor]:
    """Set a BatchNorm so that it multiplies by `scale` and adds `offset`, with the statistics of these inputs.

    Returns:
        Its outputs, activated if it has an activation.
    """
    values = flat(inputs)
    mean, variance = values.mean(dim=0), values.var(dim=0)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_(scale * (variance + norm.eps).sqrt())
    norm.bias.copy_(offset + scale * mean)
    return [norm(x) for x in inputs]


def folded(weight: Tensor, norm: Any) -> tuple[Tensor, Tensor]:
    """The weights and bias of a convolution with the norm after it."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale


def flat(batches: Iterable[Tensor]) -> Tensor:
    """Batches (B, C, h, w) -> (N, C)."""
    return torch.cat([x.permute(0, 2, 3, 1).flatten(0, 2) for x in batches])


def unexplained(outputs: Sequence[Tensor], targets: Sequence[Tensor]) -> float:
    """The share of the targets' variance that the outputs do not explain."""
    found, wanted = flat(outputs), flat(targets)
    return float((found - wanted).square().mean(dim=0).sum() / wanted.var(dim=0).sum())


def cells(values: Iterable[Tensor], targets: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Values and targets (N, C) of some cells of each batch."""
    pairs, count = [], _CELLS // len(targets)
    for x, y in zip(values, targets, strict=True):
        inputs, wanted = flat([x]), flat([y])
        rows = torch.randperm(len(inputs))[:count]
        pairs.append((inputs[rows], wanted[rows]))
    inputs, wanted = (torch.cat(column) for column in zip(*pairs, strict=True))
    return inputs, wanted


def _depthwise(x: Tensor, kernels: Tensor, stride: int) -> Tensor:
    """A depthwise convolution with TensorFlow's padding."""
    size = kernels.shape[-1]
    margins = [max((-(-side // stride) - 1) * stride + size - side, 0) for side in x.shape[:-3:-1]]
    padded = F.pad(x, [end for margin in margins for end in (margin // 2, margin - margin // 2)])
    return F.conv2d(padded, kernels, stride=stride, groups=len(kernels))
