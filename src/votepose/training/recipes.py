"""The training recipe of each preset: its losses, and the frozen part of its backbone."""

from __future__ import annotations

from dataclasses import dataclass

from votepose.models import presets
from votepose.models.backbones.build import Part
from votepose.training.losses.votes import PAPER, VoteLossConfig


@dataclass(frozen=True)
class Recipe:
    """Losses and frozen part.

    Attributes:
        losses: losses of presence and votes.
        freeze: part of the backbone that the `votes` stage does not train.
    """

    losses: VoteLossConfig = VoteLossConfig()
    freeze: Part = "none"


def recipe(preset: str, paper: bool = False) -> Recipe:
    """The recipe of a preset; with `paper`, the losses are those of the paper."""
    # MoveNet's heads propose the poses that votes start from; trained through votes alone, they degrade.
    freeze: Part = "all" if presets.preset(preset).network.proposals else "none"
    return Recipe(PAPER if paper else VoteLossConfig(), freeze)
