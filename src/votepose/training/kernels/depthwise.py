"""Depthwise convolution for channels-last maps, forward and backward.

cuDNN's kernels take many times as long as moving the maps through memory. These read each map about once: all taps of a
tile of pixels and channels come from the cache.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from votepose.training.kernels.tiles import CHANNELS, PIXELS, grid

_REDUCING = 4096  # maximum number of programs that share a weight gradient's sum, times the blocks of channels


_SIZES = ["pixels", "height", "width", "out_height", "out_width", "top", "left"]  # do not specialise kernels on these


@triton.jit(do_not_specialize=_SIZES)
def _forward(
    x,
    weight,
    y,
    pixels,
    channels,
    height,
    width,
    out_height,
    out_width,
    top,
    left,
    SIDE: tl.constexpr,
    STRIDE: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """y[n, oh, ow, c] = sum over taps of x[n, oh stride - top + i, ow stride - left + j, c] weight[i, j, c]."""
    p = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    inside, known = p < pixels, c < channels
    column, row, image = p % out_width, (p // out_width) % out_height, p // (out_width * out_height)
    total = tl.zeros((PIXELS, CHANNELS), tl.float32)
    for i in range(SIDE):
        for j in tl.static_range(SIDE):
            h, w = row * STRIDE - top + i, column * STRIDE - left + j
            valid = inside & (h >= 0) & (h < height) & (w >= 0) & (w < width)
            at = ((image.to(tl.int64) * height + h) * width + w) * channels
            value = tl.load(x + at[:, None] + c[None], mask=valid[:, None] & known[None], other=0.0)
            tap = tl.load(weight + (i * SIDE + j) * channels + c, mask=known, other=0.0)
            total += value.to(tl.float32) * tap.to(tl.float32)[None]
    at = p.to(tl.int64) * channels
    tl.store(y + at[:, None] + c[None], total.to(y.dtype.element_ty), mask=inside[:, None] & known[None])


@triton.jit(do_not_specialize=_SIZES)
def _backward_input(
    dy,
    weight,
    dx,
    pixels,
    channels,
    height,
    width,
    out_height,
    out_width,
    top,
    left,
    SIDE: tl.constexpr,
    STRIDE: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """dx[n, h, w, c]: the sum over the outputs that use this pixel; `pixels` is the number of input pixels."""
    p = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    inside, known = p < pixels, c < channels
    column, row, image = p % width, (p // width) % height, p // (width * height)
    total = tl.zeros((PIXELS, CHANNELS), tl.float32)
    for i in range(SIDE):
        for j in tl.static_range(SIDE):
            h, w = row + top - i, column + left - j
            valid = inside & (h >= 0) & (w >= 0)
            if STRIDE > 1:
                valid = valid & (h % STRIDE == 0) & (w % STRIDE == 0)
                h, w = h // STRIDE, w // STRIDE
            valid = valid & (h < out_height) & (w < out_width)
            at = ((image.to(tl.int64) * out_height + h) * out_width + w) * channels
            value = tl.load(dy + at[:, None] + c[None], mask=valid[:, None] & known[None], other=0.0)
            tap = tl.load(weight + (i * SIDE + j) * channels + c, mask=known, other=0.0)
            total += value.to(tl.float32) * tap.to(tl.float32)[None]
    at = p.to(tl.int64) * channels
    tl.store(dx + at[:, None] + c[None], total.to(dx.dtype.element_ty), mask=inside[:, None] & known[None])


@triton.jit(do_not_specialize=[*_SIZES, "blocks"])
def _backward_weight(
    x,
    dy,
    partial,
    pixels,
    blocks,
    channels,
    height,
    width,
    out_height,
    out_width,
    top,
    left,
    SIDE: tl.constexpr,
    STRIDE: tl.constexpr,
    TAPS: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """partial[program, tap, c]: the sum of x dy over `blocks` tiles of output pixels. TAPS is a power of two."""
    first = tl.program_id(0) * blocks * PIXELS
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known, taps = c < channels, tl.arange(0, TAPS)
    total = tl.zeros((TAPS, CHANNELS), tl.float32)
    for block in range(blocks):
        p = first + block * PIXELS + tl.arange(0, PIXELS)
        inside = p < pixels
        column, row, image = p % out_width, (p // out_width) % out_height, p // (out_width * out_height)
        at = p.to(tl.int64) * channels
        slope = tl.load(dy + at[:, None] + c[None], mask=inside[:, None] & known[None], other=0.0).to(tl.float32)
        for i in range(SIDE):
            for j in tl.static_range(SIDE):
                h, w = row * STRIDE - top + i, column * STRIDE - left + j
                valid = inside & (h >= 0) & (h < height) & (w >= 0) & (w < width)
                at = ((image.to(tl.int64) * height + h) * width + w) * channels
                value = tl.load(x + at[:, None] + c[None], mask=valid[:, None] & known[None], other=0.0)
                tap = tl.sum(value.to(tl.float32) * slope, axis=0)
                total += tl.where((taps == i * SIDE + j)[:, None], tap[None], 0.0)
    at = (tl.program_id(0) * SIDE * SIDE + taps) * channels
    mask = (taps < SIDE * SIDE)[:, None] & known[None]
    tl.store(partial + at[:, None] + c[None], total, mask=mask)


class DepthwiseConvolution(torch.autograd.Function):
    """`apply(x, weight, stride, padding)`: as `torch.nn.functional.conv2d` with one filter per channel.

    Args:
        x: (B, C, H, W), channels last in memory.
        weight: (C, 1, k, k), of x's dtype.
        stride: stride along both axes.
        padding: rows above and below, columns left and right.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: tuple[int, int, int, int]) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        batch, channels, height, width = x.shape
        side, (top, bottom, left, right) = weight.shape[-1], padding
        size = ((height + top + bottom - side) // stride + 1, (width + left + right - side) // stride + 1)
        y = torch.empty(batch, channels, *size, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        taps = weight.detach()[:, 0].permute(1, 2, 0).contiguous()
        pixels = batch * size[0] * size[1]
        _forward[grid(pixels, channels)](
            x, taps, y, pixels, channels, height, width, *size, top, left, side, stride, PIXELS, CHANNELS
        )
        ctx.save_for_backward(x, taps)
        ctx.stride, ctx.corner = stride, (top, left)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, taps = ctx.saved_tensors
        dy = dy.contiguous(memory_format=torch.channels_last)
        batch, channels, height, width = x.shape
        side, size = len(taps), dy.shape[-2:]
        numbers = (channels, height, width, *size, *ctx.corner, side, ctx.stride)
        dx, weight = None, None
        if ctx.needs_input_grad[0]:
            dx = torch.empty_like(x)
            pixels = batch * height * width
            _backward_input[grid(pixels, channels)](dy, taps, dx, pixels, *numbers, PIXELS, CHANNELS)
        if ctx.needs_input_grad[1]:
            pixels = batch * size[0] * size[1]
            tiles, columns = grid(pixels, channels)
            programs = min(tiles, max(1, _REDUCING // columns))
            blocks = triton.cdiv(tiles, programs)
            partial = torch.empty(programs, side * side, channels, device=x.device)
            _backward_weight[programs, columns](
                x, dy, partial, pixels, blocks, *numbers, 16 if side == 3 else 32, PIXELS, CHANNELS, num_warps=1
            )
            weight = partial.sum(dim=0).view(side, side, channels).permute(2, 0, 1)[:, None].to(taps.dtype)
        return dx, weight, None, None
