"""Initial weights for the preset `mobile` from the trained weights of the preset `lite`.

    python -m research.mobile lite DATA OUT.safetensors

MobileNetV3-Large and Lite0 are alike: the same stages, ending in maps of the same size. So each block of MobileNetV3
keeps those channels of Lite0's that predict its output best, and its last convolution is fitted by least squares; no
labels, no gradients, two minutes of a CPU. Then `votepose train --preset mobile --stage distill --teacher lite`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import tyro
from torch import Tensor

from research.mobile.heads import carry_over
from research.mobile.trunk import shrink
from votepose.data.labelled import load_labelled
from votepose.errors import VoteposeError
from votepose.inference.weights import resolve_weights
from votepose.models.checkpoint import Metadata, load_network, save_weights
from votepose.models.posenet import PoseNet
from votepose.models.presets import preset

_BATCH = 16


@dataclass(frozen=True)
class Options:
    weights: tyro.conf.Positional[Path]
    """safetensors of the preset `lite`, or `lite` for the bundled ones."""
    data: tyro.conf.Positional[Path]
    """COCO folder or data.yaml; labels are not used."""
    out: tyro.conf.Positional[Path]
    """The file to write."""
    limit: int = 96
    """Number of images."""
    size: int = 256
    """Side of the square that is cut from each image, in pixels."""


def main(options: Options) -> None:
    torch.manual_seed(0)
    lite, metadata = load_network(resolve_weights(options.weights, ".safetensors"))
    if metadata.preset != "lite":
        raise VoteposeError(f"{options.weights}: weights of the preset {metadata.preset}: use those of lite")
    chosen = preset("mobile")
    mobile = PoseNet(chosen.network).eval()
    pixels = _squares(options).split(_BATCH)
    normalised = [lite.backbone.normalised(x) for x in pixels]
    readout = shrink(
        lite.backbone.trunk,
        mobile.backbone.trunk,
        normalised,
        lambda part, left: print(f"{part}: {left:.0%} unexplained"),
    )
    carry_over(lite, mobile, readout, pixels)
    save_weights(options.out, mobile, Metadata.of("mobile", chosen, metadata.skeleton))
    print(f"{options.out}: weights of the preset mobile")


def _squares(options: Options) -> Tensor:
    """A square of each image, (N, 3, size, size)."""
    rng = np.random.default_rng(0)
    squares = []
    for sample in load_labelled(options.data, options.limit).samples:
        height, width = sample.image.shape[:2]
        side = int(min(height, width) * rng.uniform(0.5, 1))
        top, left = (int(rng.integers(whole - side + 1)) for whole in (height, width))
        cut = sample.image[top : top + side, left : left + side]
        squares.append(cv2.resize(cut, (options.size, options.size), interpolation=cv2.INTER_AREA))
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float()


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
