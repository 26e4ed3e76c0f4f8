"""The presets: one network class, differing in configuration only; and the skeleton-wide settings that go with them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from votepose import grouping
from votepose.errors import VoteposeError
from votepose.grouping import GroupingConfig
from votepose.models.backbones.build import Part
from votepose.models.posenet import NetworkConfig
from votepose.training.losses import votes as objective
from votepose.training.losses.votes import ObjectiveConfig


@dataclass(frozen=True)
class Preset:
    """A network with the input size, objective, grouping, levels of the image pyramid (see `PoseEstimator`) and frozen
    part of the backbone that it is meant for."""

    network: NetworkConfig
    input_size: int = 512
    objective: ObjectiveConfig = ObjectiveConfig()
    grouping: GroupingConfig = GroupingConfig()
    levels: int = 1
    freeze: Part = "none"


# The paper gives whole networks' parameters (Table 1: 8.6 and 19.1 million), not the heads' dimensions. No one head
# fits both within 5 %, so the two differ in the hourglass' width.
_PRESETS = {
    "mobile": Preset(NetworkConfig("mobile", hourglass_width=104)),
    "maxvit": Preset(NetworkConfig("maxvit", hourglass_width=160)),
    "lite": Preset(
        NetworkConfig(
            "lite",
            stride=8,
            channels=128,
            stacks=2,
            depth=3,
            hourglass_width=96,
            width=192,
            heads=6,
            encoder_layers=3,
            decoder_layers=3,
            patch=2,
            second_look=96,
        ),
        input_size=384,
    ),
    "movenet": Preset(
        NetworkConfig(
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
            second_look=96,
            witness=True,
            prior=True,
        ),
        input_size=384,
        levels=3,
        freeze="all",  # MoveNet's heads are the votes' prior: trained along, even a hundredth as fast, they fall apart
    ),
}
NAMES = tuple(_PRESETS)


def preset(name: str, paper: bool = False) -> Preset:
    """The preset of this name; with `paper`, its losses, vectors and grouping keep to the paper's letter.

    Raises:
        VoteposeError: if there is no such preset.
    """
    if name not in _PRESETS:
        raise VoteposeError(f"there is no preset {name!r}: choose from {', '.join(NAMES)}")
    chosen = _PRESETS[name]
    if not paper:
        return chosen
    network = replace(
        chosen.network, vectors="absolute", relative=False, scales=False, second_look=0, witness=False, prior=False
    )
    return replace(chosen, network=network, objective=objective.PAPER, grouping=grouping.PAPER)
