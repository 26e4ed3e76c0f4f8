"""The options of `votepose train`, and what goes together with what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from votepose.data.augment import AugmentConfig
from votepose.errors import VoteposeError
from votepose.models.backbones.build import Part
from votepose.models.posenet import NetworkConfig
from votepose.models.presets import Preset
from votepose.skeleton import COCO_17


@dataclass(frozen=True)
class TrainConfig:
    """Train a network on COCO-format pictures.

    Attributes:
        data: folders with annotations.json; `DIR:0.2` draws from it a fifth as often, `DIR:0.2:mosaic` only in mosaics.
        val: folder whose AP is measured after every `evaluate_every` epochs.
        out: folder of checkpoints, logs and weights.
        preset: mobile, maxvit, lite or movenet.
        paper: keep to the paper's losses, vectors, grouping and schedule.
        hourglass, transformer: without one, a 1x1 convolution takes its place (paper V-F).
        input_size: side of the square training input, in pixels; the preset's by default.
        weights: votepose weights to start from; `bundled` are the package's.
        backbone_weights: weights of the backbone alone (safetensors).
        witness_weights: weights of MoveNet Thunder (safetensors), for a second look with a witness; what `weights` are
            given has its own, or none.
        pretrained: let timm download the backbone's ImageNet weights.
        freeze: which part of the backbone is not trained: none, stem (its first stages, where most of the time goes),
            trunk (all but its last stages) or all; the preset's by default.
        teach: `votes`, the whole network; `features`, only the backbone, to see what the bundled network's sees (for
            one that has no weights to start from; labels are not read); `prior`, only what a movenet backbone itself
            believes of people, from which votes start (`learning_rate` is then relative to each weight tensor's size);
            `looks`, only the second look at each person, over the preset's whole image pyramid; or `all`, each part of
            a movenet network by losses of its own, the witness, too (the rate of backbone and witness is relative to a
            tensor's size).
        crops: with `--teach looks`, a folder to keep the crops of people in: they are cut once, then looked at as often
            as one likes, which on a CPU saves most of the time. `batch_size` then counts people.
        crop_pictures: of how many augmented pictures crops are cut; by default as many as there are pictures.
        steps: optimiser steps in all. batch_size: pictures a step and process.
        minutes: of training, at most, those before `resume` included: it then ends early, and the learning rate follows
            the clock. For machines that are lent by the hour; such a run cannot be repeated exactly.
        steps_per_epoch: steps between checkpoints.
        learning_rate: peak; `backbone_rate` is the backbone's, relative to it.
        warmup: steps of rising rate. clip: greatest norm of a gradient.
        average: decay of the weights' moving average.
        precision: bf16-mixed pays on GPUs and on CPUs with AMX.
        devices, nodes: processes on this machine, and machines (DDP).
        resume: go on from the last checkpoint in `out`.
    """

    data: tuple[str, ...]
    out: Path = Path("runs/train")
    val: Path | None = None
    preset: str = "movenet"
    paper: bool = False
    hourglass: bool = True
    transformer: bool = True
    input_size: int | None = None
    weights: Path | None = None
    backbone_weights: Path | None = None
    witness_weights: Path | None = None
    pretrained: bool = False
    freeze: Part | None = None
    teach: Literal["votes", "features", "prior", "looks", "all"] = "votes"
    crops: Path | None = None
    crop_pictures: int | None = None
    steps: int = 20_000
    minutes: float | None = None
    steps_per_epoch: int = 250
    batch_size: int = 8
    learning_rate: float = 6e-4
    backbone_rate: float = 0.1
    weight_decay: float = 1e-5
    warmup: int = 200
    clip: float = 1.0
    average: float = 0.999
    precision: Literal["32-true", "bf16-mixed"] = "bf16-mixed"
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    workers: int = 1
    evaluate_every: int = 4
    evaluate_pictures: int | None = None
    augment: AugmentConfig = AugmentConfig()
    seed: int = 0
    resume: bool = False


def parse_source(text: str) -> tuple[Path, float, bool]:
    """`DIR`, `DIR:weight` or `DIR:weight:mosaic` -> folder, weight, only in mosaics."""
    folder, *rest = text.split(":")
    try:
        weight = float(rest[0]) if rest else 1.0
    except ValueError:
        raise VoteposeError(f"--data {text}: {rest[0]!r} is no weight; write DIR, DIR:0.5 or DIR:0.5:mosaic") from None
    if weight <= 0 or rest[1:] not in ([], ["mosaic"]):
        raise VoteposeError(f"--data {text}: write DIR, DIR:0.5 or DIR:0.5:mosaic, with a weight over 0")
    return Path(folder), weight, bool(rest[1:])


def frozen_part(config: TrainConfig, chosen: Preset) -> Part:
    by_lesson: dict[str, Part] = {
        "votes": chosen.freeze,
        "features": "none",
        "prior": "stem",
        "looks": "all",
        "all": "stem",
    }
    return config.freeze or by_lesson[config.teach]


def require_start(config: TrainConfig, chosen: Preset) -> None:
    """What is frozen must have been trained before, and what is taught must be there."""
    if config.teach == "prior" and not chosen.network.prior:
        raise VoteposeError(f"--teach prior: the {config.preset} network has no prior: use --preset movenet")
    if config.teach == "looks" and (not chosen.network.second_look or config.freeze not in (None, "all")):
        raise VoteposeError("--teach looks: use a preset with a second look (lite or movenet), and no --freeze")
    if config.teach == "all" and not (chosen.network.prior and chosen.network.witness):
        raise VoteposeError(f"--teach all: the {config.preset} network has no prior or witness: use --preset movenet")
    if config.witness_weights and not chosen.network.witness:
        raise VoteposeError(f"--witness-weights: the {config.preset} network has no witness: use --preset movenet")
    if config.crops and config.teach != "looks":
        raise VoteposeError("--crops: are what the second look is taught from: add --teach looks")
    if config.crops and config.devices * config.nodes > 1 and not any(config.crops.glob("people-*.npy")):
        raise VoteposeError("--crops: cut them with one process first (--devices 1 --steps 1)")
    start = config.weights or config.backbone_weights or config.pretrained or config.resume
    if frozen_part(config, chosen) != "none" and not start:
        raise VoteposeError(
            f"the {config.preset} backbone is frozen and has no weights: start from --weights (`bundled` are the "
            f"package's), from --backbone-weights (see scripts/convert_*.py), or train it too with --freeze none"
        )


def require_parts(config: TrainConfig, network: NetworkConfig) -> None:
    """What is taught must be in the network that the data and the starting weights leave of the preset's."""
    if config.teach == "all" and not (network.prior and network.witness):
        raise VoteposeError(
            f"--teach all: wants pictures with COCO's {len(COCO_17)} keypoints, and a witness: start from --weights "
            "bundled, or give --witness-weights, too"
        )
