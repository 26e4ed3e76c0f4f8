"""The presets: configurations of the network, and the settings to run each.

`training.recipes` defines how a preset is trained.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from votepose import grouping
from votepose.errors import VoteposeError
from votepose.grouping import GroupingConfig
from votepose.models.config import NetworkConfig


@dataclass(frozen=True)
class Preset:
    """A network configuration and its settings.

    Attributes:
        network: configuration of the network.
        input_size: longest side of the network input, in pixels.
        grouping: options of the grouping.
        levels: number of image pyramid levels, see `PoseEstimator`.
    """

    network: NetworkConfig
    input_size: int = 512
    grouping: GroupingConfig = GroupingConfig()
    levels: int = 1


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
    fine_refiner=True,
    keypoint_maps=96,
)
# The paper gives the parameters of whole networks (Table 1: 8.6 and 19.1 million), not the heads' dimensions. No single
# head fits both within 5 %, so the two differ in the hourglass's width. Other dimensions are `lite`'s, whose trained
# heads `mobile` starts from (research/mobile). `maxvit` has too few maps for a refiner.
_MOBILE = replace(_LITE, backbone="mobile", channels=256, stacks=2, encoder_layers=5, decoder_layers=4)
_MAXVIT = replace(_MOBILE, backbone="maxvit", hourglass_width=160, refiner=0, fine_refiner=False)
_MOVENET = NetworkConfig(
    "movenet",
    stride=4,
    channels=128,
    hourglass=False,
    stacks=1,  # these three are not used, but the bundled weights state them
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
    focus=64,
)
# A cheaper `movenet`: no auxiliary backbone, and a quarter of the cells.
_FAST = replace(
    _MOVENET,
    stride=8,
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
    "fast": Preset(_FAST, input_size=384, grouping=GroupingConfig(candidates=128, refine_twice=1.0), levels=2),
}
NAMES = tuple(_PRESETS)


def preset(name: str, paper: bool = False) -> Preset:
    """The preset of this name; with `paper`, vectors and grouping are those of the paper, on one pyramid level.

    Raises:
        VoteposeError: if there is no such preset.
    """
    if name not in _PRESETS:
        raise VoteposeError(f"no preset {name!r}: choose from {', '.join(NAMES)}")
    chosen = _PRESETS[name]
    if not paper:
        return chosen
    return replace(chosen, network=paper_network(chosen.network), grouping=grouping.PAPER, levels=1)


def paper_network(network: NetworkConfig) -> NetworkConfig:
    """The network without our additions to the paper."""
    plain = replace(votes_only(network), vectors="absolute", relative=False, scales=False)
    return replace(plain, proposals=False, sparse_memory=False, focus=0)


def votes_only(network: NetworkConfig) -> NetworkConfig:
    """The network without the parts that correct poses after the grouping."""
    return replace(network, refiner=0, fine_refiner=False, aux_backbone=False, keypoint_maps=0)
