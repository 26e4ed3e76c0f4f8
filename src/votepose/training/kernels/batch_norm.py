"""Batch normalisation and the following activation for channels-last maps, with a minimum of passes over memory.

The forward pass reads the map once for the statistics and once to normalise and activate; the backward pass reads it
once for the two sums in the gradient and once for the gradient. Only the input is saved; intermediate values are
recomputed.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from votepose.training.kernels.tiles import CHANNELS, PIXELS, grid

_REDUCING = 2048  # maximum number of programs that share a sum, times the blocks of channels
ACTIVATIONS = {"none": 0, "relu": 1, "relu6": 2, "silu": 3, "hardswish": 4}


@triton.jit
def _activated(z, ACTIVATION: tl.constexpr):
    if ACTIVATION == 1:
        z = tl.maximum(z, 0.0)
    if ACTIVATION == 2:
        z = tl.minimum(tl.maximum(z, 0.0), 6.0)
    if ACTIVATION == 3:
        z = z * tl.sigmoid(z)
    if ACTIVATION == 4:
        z = z * tl.minimum(tl.maximum(z + 3.0, 0.0), 6.0) / 6.0
    return z


@triton.jit
def _slope(z, ACTIVATION: tl.constexpr):
    """The activation's derivative."""
    one = tl.full(z.shape, 1.0, tl.float32)
    if ACTIVATION == 1:
        one = tl.where(z > 0.0, 1.0, 0.0)
    if ACTIVATION == 2:
        one = tl.where((z > 0.0) & (z < 6.0), 1.0, 0.0)
    if ACTIVATION == 3:
        s = tl.sigmoid(z)
        one = s * (1.0 + z * (1.0 - s))
    if ACTIVATION == 4:
        one = tl.where(z <= -3.0, 0.0, tl.where(z >= 3.0, 1.0, z / 3.0 + 0.5))
    return one


@triton.jit(do_not_specialize=["pixels", "blocks"])
def _statistics(x, shift, partial, pixels, blocks, channels, PIXELS: tl.constexpr, CHANNELS: tl.constexpr):
    """partial[program, 0 and 1, c]: sums of x - shift and of its square over `blocks` tiles."""
    first = tl.program_id(0) * blocks * PIXELS
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known = c < channels
    middle = tl.load(shift + c, mask=known, other=0.0)
    total, squares = tl.zeros((PIXELS, CHANNELS), tl.float32), tl.zeros((PIXELS, CHANNELS), tl.float32)
    for block in range(blocks):
        p = first + block * PIXELS + tl.arange(0, PIXELS)
        mask = (p < pixels)[:, None] & known[None]
        value = tl.load(x + p.to(tl.int64)[:, None] * channels + c[None], mask=mask, other=0.0).to(tl.float32)
        value = tl.where(mask, value - middle[None], 0.0)
        total += value
        squares += value * value
    at = partial + tl.program_id(0) * 2 * channels + c
    tl.store(at, tl.sum(total, axis=0), mask=known)
    tl.store(at + channels, tl.sum(squares, axis=0), mask=known)


@triton.jit(do_not_specialize=["pixels"])
def _normalise(
    x, scale, offset, y, pixels, channels, ACTIVATION: tl.constexpr, PIXELS: tl.constexpr, CHANNELS: tl.constexpr
):
    """y = activation(x scale + offset)."""
    p = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known = c < channels
    mask = (p < pixels)[:, None] & known[None]
    at = p.to(tl.int64)[:, None] * channels + c[None]
    a, b = tl.load(scale + c, mask=known, other=0.0), tl.load(offset + c, mask=known, other=0.0)
    value = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
    tl.store(y + at, _activated(value * a[None] + b[None], ACTIVATION).to(y.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["pixels", "blocks"])
def _gradient_sums(
    x,
    dy,
    scale,
    offset,
    mean,
    partial,
    pixels,
    blocks,
    channels,
    ACTIVATION: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """partial[program, 0 and 1, c]: sums of dz and of dz (x - mean) over `blocks` tiles, with z the normalised map."""
    first = tl.program_id(0) * blocks * PIXELS
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known = c < channels
    a, b = tl.load(scale + c, mask=known, other=0.0), tl.load(offset + c, mask=known, other=0.0)
    middle = tl.load(mean + c, mask=known, other=0.0)
    total, product = tl.zeros((PIXELS, CHANNELS), tl.float32), tl.zeros((PIXELS, CHANNELS), tl.float32)
    for block in range(blocks):
        p = first + block * PIXELS + tl.arange(0, PIXELS)
        mask = (p < pixels)[:, None] & known[None]
        at = p.to(tl.int64)[:, None] * channels + c[None]
        value = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
        dz = tl.load(dy + at, mask=mask, other=0.0).to(tl.float32) * _slope(value * a[None] + b[None], ACTIVATION)
        total += dz
        product += dz * (value - middle[None])
    at = partial + tl.program_id(0) * 2 * channels + c
    tl.store(at, tl.sum(total, axis=0), mask=known)
    tl.store(at + channels, tl.sum(product, axis=0), mask=known)


@triton.jit(do_not_specialize=["pixels"])
def _gradient(
    x,
    dy,
    scale,
    offset,
    slope_x,
    slope_0,
    dx,
    pixels,
    channels,
    ACTIVATION: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """dx = scale dz - slope_x x - slope_0."""
    p = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known = c < channels
    mask = (p < pixels)[:, None] & known[None]
    at = p.to(tl.int64)[:, None] * channels + c[None]
    a, b = tl.load(scale + c, mask=known, other=0.0), tl.load(offset + c, mask=known, other=0.0)
    u, v = tl.load(slope_x + c, mask=known, other=0.0), tl.load(slope_0 + c, mask=known, other=0.0)
    value = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
    dz = tl.load(dy + at, mask=mask, other=0.0).to(tl.float32) * _slope(value * a[None] + b[None], ACTIVATION)
    tl.store(dx + at, (a[None] * dz - u[None] * value - v[None]).to(dx.dtype.element_ty), mask=mask)


class BatchNormActivation(torch.autograd.Function):
    """`apply(x, weight, bias, running_mean, running_var, momentum, eps, activation)`: in training mode.

    Args:
        x: (B, C, H, W), channels last in memory.
        weight, bias: (C,).
        running_mean, running_var: (C,), updated in place.
        momentum, eps: as in `torch.nn.BatchNorm2d`.
        activation: a key of `ACTIVATIONS`.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        momentum: float,
        eps: float,
        activation: str,
    ) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        pixels, channels = x.numel() // x.shape[1], x.shape[1]
        programs, columns, blocks = _shares(pixels, channels)
        partial = torch.empty(programs, 2, channels, device=x.device)
        _statistics[programs, columns](x, running_mean, partial, pixels, blocks, channels, PIXELS, CHANNELS)
        shifted, square = partial.sum(dim=0) / pixels
        variance = (square - shifted * shifted).clamp(min=0)
        mean = running_mean + shifted
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(variance * (pixels / max(1, pixels - 1)), momentum)
        inverse = torch.rsqrt(variance + eps)
        scale = weight.detach() * inverse
        offset = bias.detach() - mean * scale
        y = torch.empty_like(x)
        kind = ACTIVATIONS[activation]
        _normalise[grid(pixels, channels)](x, scale, offset, y, pixels, channels, kind, PIXELS, CHANNELS)
        ctx.save_for_backward(x, scale, offset, mean, inverse)
        ctx.kind = kind
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, scale, offset, mean, inverse = ctx.saved_tensors
        dy = dy.contiguous(memory_format=torch.channels_last)
        pixels, channels = x.numel() // x.shape[1], x.shape[1]
        programs, columns, blocks = _shares(pixels, channels)
        partial = torch.empty(programs, 2, channels, device=x.device)
        _gradient_sums[programs, columns](
            x, dy, scale, offset, mean, partial, pixels, blocks, channels, ctx.kind, PIXELS, CHANNELS
        )
        total, product = partial.sum(dim=0)
        dx = torch.empty_like(x)
        slope_x = scale * product * inverse * inverse / pixels
        slope_0 = scale * total / pixels - slope_x * mean
        _gradient[grid(pixels, channels)](
            x, dy, scale, offset, slope_x, slope_0, dx, pixels, channels, ctx.kind, PIXELS, CHANNELS
        )
        return dx, product * inverse, total, None, None, None, None, None


def _shares(pixels: int, channels: int) -> tuple[int, int, int]:
    """Numbers of programs along pixels and channels, and of pixel tiles per program, for a sum over all pixels."""
    tiles, columns = grid(pixels, channels)
    programs = min(tiles, max(1, _REDUCING // columns))
    return programs, columns, triton.cdiv(tiles, programs)
