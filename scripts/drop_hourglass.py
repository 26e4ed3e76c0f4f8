"""Replace the hourglass of trained weights by one 1x1 convolution, fitted to its output by least squares.

    python scripts/drop_hourglass.py WEIGHTS.safetensors DATA OUT.safetensors

On the weights of run 33 the convolution explains 85 % of the variance of what the hourglass adds to the backbone's own
presence, and AP stays the same (benchmarks/README.md). Calibrate the result (`votepose calibrate`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import tyro
from torch import Tensor

from votepose.data.labelled import load_labelled
from votepose.inference.weights import resolve_weights
from votepose.letterbox import Letterbox
from votepose.models.checkpoint import load_network, save_weights
from votepose.models.estimator import halved
from votepose.models.posenet import PoseNet

_CELLS = 400  # at most, per image and level; mostly where presence is undecided
_RIDGE = 1e-2  # relative to the features' mean variance


@dataclass(frozen=True)
class Config:
    weights: tyro.conf.Positional[Path]
    """safetensors of a network with an hourglass and pose proposals."""
    data: tyro.conf.Positional[Path]
    """COCO folder or data.yaml; labels are not used."""
    out: tyro.conf.Positional[Path]
    """The file to write."""
    limit: int = 70
    """Number of images."""


def main(config: Config) -> None:
    torch.manual_seed(0)
    large, metadata = load_network(resolve_weights(config.weights, ".safetensors"))
    small = PoseNet(replace(large.config, hourglass=False))
    pictures = [sample.image for sample in load_labelled(config.data, config.limit).samples]
    pixels = (one for image in pictures for one in _pyramid(image, metadata.input_size, metadata.levels))
    found = [_cells(large, one) for one in pixels]
    features, logits = (torch.cat(column).double() for column in zip(*found, strict=True))
    inputs = torch.cat([features, torch.ones(len(features), 1)], dim=1)
    ridge = _RIDGE * len(inputs) * inputs.var(dim=0).mean() * torch.eye(inputs.shape[1])
    solution = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ logits)
    state = {name: value for name, value in large.state_dict().items() if not name.startswith("presence.")}
    state["presence.weight"], state["presence.bias"] = solution[:-1].float()[None, :, None, None], solution[-1:].float()
    small.load_state_dict(state)
    save_weights(config.out, small, replace(metadata, network=small.config))
    explained = 1 - (inputs @ solution - logits).square().mean() / logits.var()
    print(f"{config.out}: the convolution explains {explained:.0%} of the variance, on {len(pictures)} images")


def _pyramid(image: np.ndarray, size: int, levels: int) -> Iterator[Tensor]:
    """An image's pixels (1, 3, H, W) on each level of the image pyramid."""
    height, width = image.shape[:2]
    pixels = torch.from_numpy(Letterbox.fit(width, height, size).apply(image))[None].permute(0, 3, 1, 2).float()
    for level in range(levels):
        yield halved(pixels, level)


@torch.inference_mode()
def _cells(network: PoseNet, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, C) and the hourglass's logits (N,) of some cells."""
    maps = network.encode(pixels)
    features, presence = maps.features[:, :-1], maps.presence[-1].flatten().sigmoid()
    logits = network.presence(features)[-1][0, 0].flatten()
    cells = torch.multinomial(presence * (1 - presence) + 0.01, min(_CELLS, len(presence)))
    return features[0].flatten(1).T[cells], logits[cells]


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
