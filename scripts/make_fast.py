"""Create initial weights for the preset `fast` from weights of the preset `movenet`.

    python scripts/make_fast.py bundled out/fast-start.safetensors

`fast` has wider cells and fewer layers, and neither hourglass nor auxiliary backbone. The remaining parts compute
nearly the same before any training: a map that is pooled and then projected equals one that is projected and then
pooled, a patch or block of 2 x 2 wide cells covers one of 4 x 4 narrow cells, and vectors and scales are counted in
wider cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from torch import Tensor

from votepose.inference.weights import resolve_weights
from votepose.models.checkpoint import Metadata, load_network, save_weights
from votepose.models.posenet import PoseNet
from votepose.models.presets import preset


@dataclass(frozen=True)
class Config:
    weights: tyro.conf.Positional[Path]
    """safetensors of the preset `movenet`, or `bundled`."""
    out: tyro.conf.Positional[Path]
    """The file to write."""


def carried_over(large: PoseNet, small: PoseNet) -> dict[str, Tensor]:
    """The tensors of `small`, taken from `large`; presence starts as proposed by the backbone."""
    given, times = _renamed(large, small), small.config.stride // large.config.stride
    for name in {"transformer.embed_patches.weight", "focus.blocks.weight"} & given.keys():
        given[name] = given[name].unfold(2, times, times).unfold(3, times, times).sum((-2, -1))
    joints = 2 * small.config.keypoints
    for name in ("vector.2.weight", "vector.2.bias"):
        given[name] = torch.cat([given[name][:joints] / times, given[name][joints:]])
    given["vector.2.bias"][joints:] -= math.log(times)
    state = {name: torch.zeros_like(x) if name.startswith("presence.") else x for name, x in small.state_dict().items()}
    taken = {name: _leading(given[name], state[name]) for name in state.keys() & given.keys()}
    return state | taken


def _renamed(large: PoseNet, small: PoseNet) -> dict[str, Tensor]:
    """The tensors of `large`, renamed so that the refiner's last norm, the context's, has its number in `small`."""
    last, ours = (f"refiner.norms.{len(network.feature_specs)}." for network in (large, small))
    given = {name: x for name, x in large.state_dict().items() if not name.startswith("presence.")}
    return given | {name.replace(last, ours): x for name, x in given.items() if name.startswith(last)}


def _leading(given: Tensor, like: Tensor) -> Tensor:
    """The first inputs of `given`; the auxiliary backbone's come last."""
    return given[:, : like.shape[1]] if given.dim() > 1 else given


def main(config: Config) -> None:
    large, metadata = load_network(resolve_weights(config.weights, ".safetensors"))
    chosen = preset("fast")
    small = PoseNet(chosen.network)
    small.load_state_dict(carried_over(large, small))
    save_weights(config.out, small, Metadata.of("fast", chosen, metadata.skeleton))


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
