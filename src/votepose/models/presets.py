"""The presets: one network class, differing in configuration only, and what it takes to run each.

How a preset is trained is in `training.recipes`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from votepose import grouping
from votepose.errors import VoteposeError
from votepose.grouping import GroupingConfig
from votepose.models.config import NetworkConfig


@dataclass(frozen=True)
class Preset:
    """A network and how it is run.

    Attributes:
        network: its parts.
        input_size: longest side of the network input, in pixels.
        grouping: how its votes become people.
        levels: of the image pyramid, see `PoseEstimator`.
    """

    network: NetworkConfig
    input_size: int = 512
    grouping: GroupingConfig = GroupingConfig()
    levels: int = 1


# The paper gives whole networks' parameters (Table 1: 8.6 and 19.1 million), not the heads' dimensions. No one head
# fits both within 5 %, so the two differ in the hourglass' width.
_MOBILE = NetworkConfig("mobile", hourglass_width=104)
_MAXVIT = NetworkConfig("maxvit", hourglass_width=160)
_LITE = NetworkConfig(
    "lite",
    stride=8,
    channels=128,
    stacks=1,
    depth=3,
    hourglass_width=64,
    width=192,
    heads=6,
    encoder_layers=3,
    decoder_layers=2,
    patch=4,
    refiner=64,
    keypoint_maps=96,
)
_MOVENET = NetworkConfig(
    "movenet",
    stride=4,
    channels=128,
    stacks=1,
    depth=3,
    hourglass_width=96,
    width=192,
    heads=6,
    encoder_layers=3,
    decoder_layers=3,
    patch=4,
    refiner=96,
    aux_backbone=True,
    proposals=True,
    sparse_memory=True,
)
# `movenet` made cheap: no auxiliary backbone and no hourglass, and votes on a map of a quarter of the cells.
_FAST = replace(
    _MOVENET,
    stride=8,
    hourglass=False,
    encoder_layers=2,
    decoder_layers=2,
    patch=2,
    aux_backbone=False,
)
_PRESETS = {
    "mobile": Preset(_MOBILE),
    "maxvit": Preset(_MAXVIT),
    "lite": Preset(_LITE, input_size=384),
    "movenet": Preset(_MOVENET, input_size=384, levels=2),
    "fast": Preset(_FAST, input_size=384, grouping=GroupingConfig(candidates=128, refine_twice=1.0)),
}
NAMES = tuple(_PRESETS)


def preset(name: str, paper: bool = False) -> Preset:
    """The preset of this name; with `paper`, its vectors and grouping keep to the paper's letter.

    Raises:
        VoteposeError: if there is no such preset.
    """
    if name not in _PRESETS:
        raise VoteposeError(f"there is no preset {name!r}: choose from {', '.join(NAMES)}")
    chosen = _PRESETS[name]
    return replace(chosen, network=paper_network(chosen.network), grouping=grouping.PAPER) if paper else chosen


def paper_network(network: NetworkConfig) -> NetworkConfig:
    """The network without anything that the paper does not have."""
    plain = replace(network, vectors="absolute", relative=False, scales=False)
    return replace(plain, refiner=0, aux_backbone=False, proposals=False, sparse_memory=False, keypoint_maps=0)
