"""The training stages, one module each: trained parts, losses, step, optimiser groups and clipping."""

from __future__ import annotations

from votepose.errors import VoteposeError
from votepose.models.backbones.build import Part
from votepose.models.config import NetworkConfig
from votepose.models.presets import Preset
from votepose.skeleton import COCO_17, Skeleton
from votepose.training.config import TrainConfig
from votepose.training.recipes import Recipe
from votepose.training.stages.backbone_heads import BackboneHeadsStage
from votepose.training.stages.base import Setting, Stage
from votepose.training.stages.distill import DistillStage
from votepose.training.stages.focus import FocusStage
from votepose.training.stages.joint import JointStage
from votepose.training.stages.refiner import RefinerStage
from votepose.training.stages.votes import VoteStage

_STAGES: dict[str, type[Stage]] = {
    "votes": VoteStage,
    "distill": DistillStage,
    "backbone-heads": BackboneHeadsStage,
    "refiner": RefinerStage,
    "focus": FocusStage,
    "joint": JointStage,
}


def build_stage(config: TrainConfig, preset: Preset, recipe: Recipe, skeleton: Skeleton) -> Stage:
    """Build the stage that a configuration names, for a network with this preset."""
    setting = Setting(config, preset, recipe, skeleton, _frozen_part(config, recipe))
    return _STAGES[config.stage].build(setting)


def require_options(config: TrainConfig, preset: Preset, recipe: Recipe) -> None:
    """Check, before any slow work, that options go together, the parts to train exist, and frozen parts have weights.

    Raises:
        VoteposeError: otherwise.
    """
    stage = _STAGES[config.stage]
    stage.require(preset.network, "use --preset movenet")
    if issubclass(stage, RefinerStage | FocusStage) and config.freeze not in (None, "all"):
        raise VoteposeError(f"--stage {config.stage}: does not train the backbone: leave out --freeze")
    if config.aux_weights and not preset.network.aux_backbone:
        raise VoteposeError(f"--aux-weights: the {config.preset} network cannot use them: use --preset movenet")
    if config.crops and not issubclass(stage, RefinerStage):
        raise VoteposeError("--crops: is for the refiner only: add --stage refiner")
    if config.teacher and not issubclass(stage, DistillStage):
        raise VoteposeError("--teacher: is for distillation only: add --stage distill")
    parts = {"backbone-weights": config.backbone_weights, "aux-weights": config.aux_weights}
    for option, given in {**parts, "pretrained": config.pretrained}.items():
        if config.weights and given:
            raise VoteposeError(f"--{option}: --weights already sets the whole network: leave out one of them")
    start = config.weights or config.backbone_weights or config.pretrained or config.resume
    if _frozen_part(config, recipe) != "none" and not start:
        raise VoteposeError(
            f"the {config.preset} backbone is frozen but has no weights: use --backbone-weights (see "
            "scripts/convert_*.py) or, with `votepose train`, --weights (such as `bundled`), or train it with "
            "--freeze none"
        )


def require_parts(config: TrainConfig, network: NetworkConfig) -> None:
    """Check that the network has the parts that the stage trains, after it was adapted to data and initial weights.

    Raises:
        VoteposeError: otherwise.
    """
    hint = f"it needs images with COCO's {len(COCO_17)} keypoints, and --weights bundled or --aux-weights"
    _STAGES[config.stage].require(network, hint)


def require_people(config: TrainConfig, labelled: bool) -> None:
    """Raise VoteposeError if the stage uses labels but the images have no `labelled` people."""
    if _STAGES[config.stage].reads_labels and not labelled:
        raise VoteposeError(f"--data {' '.join(config.data)}: has no labelled keypoints to train on")


def _frozen_part(config: TrainConfig, recipe: Recipe) -> Part:
    return config.freeze or _STAGES[config.stage].default_freeze or recipe.freeze
