"""Renders planned batches from canvases on a device, sampling each pixel once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from votepose.data.canvas import LEVELS, MARGIN, canvas_side, origins
from votepose.data.plan import Plan

_SHARPEST = 0.6  # minimum scale; below it, the next smaller size of the image is sampled
_BLUR_RADIUS = 5  # pixels
_GREY = (0.299, 0.587, 0.114)
_AT_ONCE = 64  # canvases at a time, to bound the memory for float32 values


@dataclass(frozen=True)
class Warp:
    """The parameters of a `Plan`'s pixels, as tensors. Canvas coordinates are those of `grid_sample`.

    Attributes:
        size, single: as in the plan.
        picture: (M,) canvas of each part. matrix: (M, 2, 3) transformation from input pixels to canvas coordinates.
        low, high: (M, 2) minimum and maximum x and y of samples.
        middle: (B - single, 2) centre of each mosaic, in pixels.
        gain, offset: (B, 3). grey, blurred, patched: rows of the inputs concerned.
        sigma: (len(blurred),) in pixels. patch: (len(patched), 4) x, y, width, height. patch_colour: (len(patched), 3).
        grain: (g, g) noise, repeated.
    """

    size: int
    single: int
    picture: Tensor
    matrix: Tensor
    low: Tensor
    high: Tensor
    middle: Tensor
    gain: Tensor
    offset: Tensor
    grey: Tensor
    blurred: Tensor
    sigma: Tensor
    patched: Tensor
    patch: Tensor
    patch_colour: Tensor
    grain: Tensor


def warp_arrays(plan: Plan, longest: int) -> list[np.ndarray]:
    """The tensors of a plan's `Warp`, in order, for canvases of images with sides up to `longest`."""
    colours = plan.colours
    blurred, patched = np.flatnonzero(colours.blur), np.flatnonzero(colours.patch[:, 2])
    return [
        plan.parts.picture,
        *_to_canvas(plan, longest),
        plan.parts.frame[plan.single :: 4, 2:],
        colours.gain,
        colours.offset,
        np.flatnonzero(colours.grey),
        blurred,
        colours.blur[blurred],
        patched,
        colours.patch[patched],
        colours.patch_colour[patched],
        colours.grain,
    ]


def _to_canvas(plan: Plan, longest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrices (M, 2, 3) from input pixels to canvas coordinates, and limits (M, 2) of these coordinates.

    The four canvases of a mosaic are stacked vertically.
    """
    side, parts = canvas_side(longest), plan.parts
    count = len(parts.picture)
    level = np.clip(np.ceil(np.log2(_SHARPEST / parts.scale)), 0, LEVELS - 1).astype(int)
    stacked = np.where(np.arange(count) < plan.single, 1, 4)
    below = np.where(np.arange(count) < plan.single, 0, (np.arange(count) - plan.single) % 4)
    whole = np.stack([np.full(count, side), side * 3 // 2 * stacked], axis=1)
    origin = origins(side)[level] + np.stack([np.zeros(count), side * 3 // 2 * below], axis=1)
    inverse = np.linalg.inv(parts.matrix[:, :, :2])
    shift = MARGIN - (inverse @ parts.matrix[:, :, 2:])[..., 0]
    matrix = np.concatenate([inverse, shift[..., None]], axis=2) / 2.0 ** level[:, None, None]
    matrix[..., 2] += origin
    matrix *= 2 / whole[..., None]
    matrix[..., 2] -= 1
    low = 2 * (origin + 0.5) / whole - 1
    high = 2 * (origin + (side >> level)[:, None] - 0.5) / whole - 1
    return matrix.astype(np.float32), low.astype(np.float32), high.astype(np.float32)


@torch.no_grad()
def render(canvases: Tensor, warp: Warp) -> Tensor:
    """Render the inputs (B, 3, S, S) uint8, channels last in memory, of a warp on the device of the canvases."""
    count, size, single = len(warp.gain), warp.size, warp.single
    images = torch.empty(count, 3, size, size, dtype=torch.uint8, device=canvases.device)
    images = images.contiguous(memory_format=torch.channels_last)
    for start in range(0, single, _AT_ONCE):
        rows = slice(start, min(start + _AT_ONCE, single))
        images[rows] = _recoloured(_sampled(canvases, warp, rows), warp.gain[rows], warp.offset[rows])
    for start in range(single, count, _AT_ONCE // 4):
        rows = slice(start, min(start + _AT_ONCE // 4, count))
        images[rows] = _recoloured(_mosaics(canvases, warp, rows), warp.gain[rows], warp.offset[rows])
    _lose_colour(images, warp.grey)
    _blur(images, warp.blurred, warp.sigma)
    _cover(images, warp)
    return images


def _sampled(canvases: Tensor, warp: Warp, rows: slice) -> Tensor:
    """Inputs with one image each, (n, 3, S, S) float32."""
    grid = _grid(warp.size, warp.matrix[rows], warp.low[rows], warp.high[rows])
    return _sample(canvases[warp.picture[rows]].float(), grid)


def _mosaics(canvases: Tensor, warp: Warp, rows: slice) -> Tensor:
    """The same for mosaics."""
    first, count = warp.single, rows.stop - rows.start
    parts = slice(first + 4 * (rows.start - first), first + 4 * (rows.stop - first))
    picture = warp.picture[parts].view(count, 4)
    matrix, low, high = (t[parts].view(count, 4, *t.shape[1:]) for t in (warp.matrix, warp.low, warp.high))
    at = torch.arange(warp.size, device=canvases.device) + 0.5
    right, below = (at > warp.middle[rows.start - first : rows.stop - first, :, None]).unbind(dim=1)
    right, below = right[:, None, :, None], below[:, :, None, None]
    grids = [_grid(warp.size, matrix[:, k], low[:, k], high[:, k]) for k in range(4)]
    grid = torch.where(below, torch.where(right, grids[3], grids[2]), torch.where(right, grids[1], grids[0]))
    stacked = canvases[picture].transpose(1, 2).float().flatten(2, 3)
    return _sample(stacked, grid)


def _grid(size: int, matrix: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """(n, S, S, 2) canvas coordinates of the pixels of n inputs, by matrices (n, 2, 3), within limits (n, 2)."""
    at = torch.arange(size, device=matrix.device) + 0.5
    along = matrix[:, None, :, 0] * at[:, None]
    down = torch.addcmul(matrix[:, None, :, 2], matrix[:, None, :, 1], at[:, None])
    return (along[:, None] + down[:, :, None]).clamp_(low[:, None, None], high[:, None, None])


def _sample(pixels: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def _recoloured(image: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
    """image * gain + offset + 0.5; the half rounds, since conversion to integers truncates."""
    return torch.addcmul(offset[..., None, None] + 0.5, image, gain[..., None, None]).clamp_(0, 255)


def _lose_colour(images: Tensor, rows: Tensor) -> None:
    if len(rows):
        red, green, blue = images[rows].float().unbind(dim=1)
        grey = _GREY[0] * red + _GREY[1] * green + _GREY[2] * blue
        images[rows] = grey.round().to(torch.uint8)[:, None].expand(-1, 3, -1, -1)


def _blur(images: Tensor, rows: Tensor, sigma: Tensor) -> None:
    if not len(rows):
        return
    steps = torch.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1, device=images.device)
    kernel = torch.exp(-(steps**2) / (2 * sigma[:, None] ** 2))
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(3, dim=0)[:, None]
    planes = F.pad(images[rows].float(), (_BLUR_RADIUS,) * 4, "reflect").flatten(0, 1)[None]
    planes = F.conv2d(planes, kernel[:, :, None], groups=len(kernel))
    planes = F.conv2d(planes, kernel[..., None], groups=len(kernel))
    images[rows] = planes.view(len(rows), 3, *images.shape[2:]).round().clamp(0, 255).to(torch.uint8)


def _cover(images: Tensor, warp: Warp) -> None:
    """Paint a patch of one colour with noise over some inputs."""
    if not len(warp.patched):
        return
    size = warp.size
    at = torch.arange(size, device=images.device) + 0.5
    low, high = warp.patch[:, :2, None], (warp.patch[:, :2] + warp.patch[:, 2:])[..., None]
    x, y = ((at >= low) & (at < high)).unbind(dim=1)
    times = -(-size // len(warp.grain))
    grain = warp.grain.repeat(times, times)[:size, :size]
    patch = (warp.patch_colour[..., None, None] + grain).clamp(0, 255).to(torch.uint8)
    images[warp.patched] = torch.where((x[:, None] & y[:, :, None])[:, None], patch, images[warp.patched])
