"""MobileNetV3-Large from a trained EfficientNet-Lite0, whose stages end in as many channels, up to the last two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from research.mobile.blocks import (
    SHARPNESS,
    Activation,
    Channels,
    cells,
    fit_block,
    flat,
    folded,
    set_norm,
    unexplained,
)
from research.mobile.least_squares import Moments

Report = Callable[[str, float], None]
_LOUDER = 4.0  # scale of stage 0's output: its skip connection has no counterpart, and matters less this way
_RIDGE = 1e-2
# Each block of MobileNetV3's stages 1 to 4: (stage, block), the blocks of Lite0 that its channels come from, and the
# block whose output it should give.
_PLAN = (
    ((1, 0), ((1, 0),), (1, 0)),
    ((1, 1), ((1, 1),), (1, 1)),
    ((2, 0), ((2, 0),), (2, 0)),
    ((2, 1), ((2, 1),), (2, 1)),
    ((2, 2), ((2, 1),), (2, 1)),
    ((3, 0), ((3, 0),), (3, 0)),
    ((3, 1), ((3, 1),), (3, 1)),
    ((3, 2), ((3, 1), (3, 2)), (3, 2)),
    ((3, 3), ((3, 1), (3, 2)), (3, 2)),
    ((4, 0), ((4, 0),), (4, 0)),
    ((4, 1), ((4, 1), (4, 2)), (4, 2)),
)


@dataclass(frozen=True)
class Readout:
    """A linear map from MobileNetV3's last map (960 channels) to Lite0's (320): weights (960, 320), offset (320,)."""

    weights: Tensor
    offset: Tensor


@torch.no_grad()
def shrink(large: Any, small: Any, pixels: Sequence[Tensor], report: Report) -> Readout:
    """Set the weights of MobileNetV3 so that its maps are close to Lite0's.

    Args:
        large: timm's Lite0 as features, trained.
        small: timm's MobileNetV3-Large as features.
        pixels: batches of normalised images (B, 3, H, W).
        report: is called with the name of each part and the share of the variance that it does not explain.
    """
    large.eval()
    small.eval()
    targets = _outputs(large, pixels)
    stems, first = _stem(large, small, pixels, targets[0, 0])
    x, left = fit_block(small.blocks[0][0], stems, [first], [_LOUDER * y for y in targets[0, 0]])
    report("block 0.0", left)
    inputs: Tensor | None = torch.eye(x[0].shape[1]) / _LOUDER
    for (stage, number), sources, target in _PLAN:
        channels = [Channels.of(large.blocks[a][b], inputs) for a, b in sources]
        x, left = fit_block(small.blocks[stage][number], x, channels, targets[target])
        report(f"block {stage}.{number}", left)
        inputs = None
    return _deep(large, small, x, targets, report)


def _outputs(large: Any, pixels: Iterable[Tensor]) -> dict[tuple[int, int], list[Tensor]]:
    """The outputs of each block, by stage and number."""
    found: dict[tuple[int, int], list[Tensor]] = {}
    for x in pixels:
        x = large.bn1(large.conv_stem(x))
        for stage, blocks in enumerate(large.blocks):
            for number, block in enumerate(blocks):
                x = block(x)
                found.setdefault((stage, number), []).append(x)
    return found


def _stem(large: Any, small: Any, pixels: Sequence[Tensor], targets: Sequence[Tensor]) -> tuple[list[Tensor], Channels]:
    """Set the stem; returns its outputs and the channels of the next block, which needs one for each of them."""
    weight, bias = folded(large.conv_stem.weight, large.bn1)
    sharp, first = Activation(SHARPNESS), Channels.of(large.blocks[0][0])
    norm = large.bn1
    state = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    stems = (sharp(F.batch_norm(large.conv_stem(x), *state, eps=norm.eps)) for x in pixels)
    values = (first.activations(x, Activation(1.0), 1) for x in stems)
    chosen = Moments.of(*cells(values, targets), _RIDGE).most_needed(len(small.conv_stem.weight))
    small.conv_stem.weight.copy_(weight[chosen])
    normed = set_norm(small.bn1, [small.conv_stem(x) for x in pixels], SHARPNESS, SHARPNESS * bias[chosen])
    kept = first.at(chosen)
    return [small.act1(x) for x in normed], replace(kept, kernels=kept.kernels / SHARPNESS)


def _deep(
    large: Any, small: Any, x: list[Tensor], targets: dict[tuple[int, int], list[Tensor]], report: Report
) -> Readout:
    """Set the stages 5 and 6, whose maps have fewer channels than Lite0's: its principal components."""
    width = small.blocks[5][0].conv_pwl.weight.shape[0]
    basis = _principal(targets[5, 3], width)
    middle = [Channels.of(large.blocks[5][number], basis.T) for number in (1, 2, 3)]
    x, left = fit_block(small.blocks[5][0], x, [Channels.of(large.blocks[5][0])], _projected(targets[5, 0], basis))
    report("block 5.0", left)
    x, left = fit_block(small.blocks[5][1], x, middle[:2], _projected(targets[5, 2], basis))
    report("block 5.1", left)
    last = _principal(targets[6, 0], width)
    last = _rotation(flat(_projected(targets[6, 0], last)), flat(x)) @ last  # the skip connection adds x
    channels = [middle[2], Channels.of(large.blocks[6][0], basis.T)]
    x, left = fit_block(small.blocks[5][2], x, channels, _projected(targets[6, 0], last))
    report("block 5.2", left)
    return _last_convolution(small.blocks[6][0], x, targets[6, 0], report)


def _last_convolution(block: Any, x: Sequence[Tensor], targets: Sequence[Tensor], report: Report) -> Readout:
    """Random directions of its input, each rotated set of which keeps everything, and what tells Lite0's map of it."""
    outputs, inputs = block.conv.weight.shape[:2]
    turns = [torch.linalg.qr(torch.randn(inputs, inputs))[0] for _ in range(outputs // inputs)]
    block.conv.weight.copy_(torch.cat(turns)[:, :, None, None] / flat(x).std())
    set_norm(block.bn1, [block.conv(y) for y in x], 1.0, torch.zeros(outputs))
    nn.init.constant_(block.bn1.weight, 1.5)
    nn.init.normal_(block.bn1.bias, std=0.7)
    maps = [block(y) for y in x]
    weights, offset = Moments.of(flat(maps), flat(targets), _RIDGE).solve()
    told = [torch.einsum("nchw,co->nohw", y, weights) + offset[:, None, None] for y in maps]
    report("the last map", unexplained(told, targets))
    return Readout(weights, offset)


def _principal(maps: Sequence[Tensor], count: int) -> Tensor:
    """(count, C) the principal components of maps (B, C, h, w)."""
    return torch.linalg.eigh(torch.cov(flat(maps).T))[1][:, -count:].T


def _projected(maps: Sequence[Tensor], basis: Tensor) -> list[Tensor]:
    return [torch.einsum("oc,nchw->nohw", basis, x) for x in maps]


def _rotation(found: Tensor, wanted: Tensor) -> Tensor:
    """The rotation (C, C) of (N, C) vectors that brings them closest to others, by their covariance."""
    left, _, right = torch.linalg.svd((wanted - wanted.mean(dim=0)).T @ (found - found.mean(dim=0)))
    rotation: Tensor = left @ right
    return rotation
