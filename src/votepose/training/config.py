"""The options of `votepose train`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from votepose.data.augment_config import AugmentConfig
from votepose.errors import VoteposeError
from votepose.models.backbones.build import Part


@dataclass(frozen=True)
class TrainConfig:
    """Train a network on COCO-format pictures.

    Attributes:
        data: folders with annotations.json; `DIR:0.2` is drawn from a fifth as often, `DIR:0.2:mosaic` only in mosaics.
        val: folder on which AP is measured after every `evaluate_every` epochs.
        out: folder of checkpoints, logs and weights.
        preset: mobile, maxvit, lite or movenet.
        paper: keep to the paper's losses, vectors, grouping and schedule.
        hourglass, transformer: without one, a 1x1 convolution takes its place (paper V-F).
        input_size: side of the square training input, in pixels; the preset's by default.
        weights: votepose weights to start from; `bundled` for the package's. Of weights of another skeleton, all layers
            that do not depend on the joints are taken over.
        backbone_weights: weights of the backbone alone (safetensors).
        aux_weights: weights of MoveNet Thunder (safetensors), for an auxiliary backbone; `weights` bring their own, if
            they have one.
        pretrained: let timm download the backbone's ImageNet weights.
        freeze: part of the backbone that does not train: none, stem (its first stages, which take most of the time),
            trunk (all but its last stages) or all; the stage's own by default.
        stage: what trains. `votes`: the whole network. `distill`: only the backbone, to predict the features of the
            bundled one, for a backbone without weights to start from (labels are not used). `backbone-heads`: only a
            movenet backbone, on the targets of its own heads, which propose the poses that votes start from
            (`learning_rate` is then relative to the size of each weight tensor). `refiner`: only the refiner, over the
            preset's whole image pyramid. `joint`: every part of a movenet network by losses of its own, the auxiliary
            backbone included (the backbones' rate is relative to the size of each tensor).
        crops: with `--stage refiner`, a folder that keeps the regions around people: they are cut once and then trained
            on as often as needed, which saves most of the time on a CPU. `batch_size` then counts people.
        crop_pictures: number of augmented pictures that regions are cut from; by default the number of pictures.
        steps: optimiser steps in all. batch_size: pictures per step and process.
        minutes: of training, at most, those before `resume` included: it then ends early, and the learning rate follows
            the clock. For machines that are rented by the hour; such a run cannot be repeated exactly.
        steps_per_epoch: steps between checkpoints.
        learning_rate: peak; `backbone_rate` is the backbone's, relative to it.
        warmup: steps of rising rate. clip: greatest norm of a gradient.
        average: decay of the weights' moving average.
        precision: bf16-mixed pays on GPUs and on CPUs with AMX.
        cuda_graphs: on a GPU, launch the thousands of kernels of a step as few graphs (stage `votes`, one process).
        devices, nodes: processes on this machine, and machines (DDP).
        workers: processes that read pictures, or draw batches of pictures on a GPU.
        resident: keep the pictures on the device and augment them there: by itself where they fit on a GPU. A CPU
            augments them faster from memory.
        from_disk: never keep them there: worker processes augment pictures that were read into memory, or where that is
            too small, that they read when they need them.
        canvas: longest side, in pixels, of pictures kept on the device; by default that of the largest picture, or of
            what the greatest zoom can show.
        resume: continue from the last checkpoint in `out`.
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
    aux_weights: Path | None = None
    pretrained: bool = False
    freeze: Part | None = None
    stage: Literal["votes", "distill", "backbone-heads", "refiner", "joint"] = "votes"
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
    cuda_graphs: bool = True
    devices: int = 1
    nodes: int = 1
    workers: int = 1
    resident: bool = False
    from_disk: bool = False
    canvas: int | None = None
    evaluate_every: int = 4
    evaluate_pictures: int | None = None
    augment: AugmentConfig = AugmentConfig()
    seed: int = 0
    resume: bool = False

    @property
    def log_every(self) -> int:
        """Steps between two entries in the logs."""
        return min(25, self.steps_per_epoch)


def parse_source(text: str) -> tuple[Path, float, bool]:
    """`DIR`, `DIR:weight` or `DIR:weight:mosaic` -> folder, weight, only in mosaics.

    Raises:
        VoteposeError: for anything else.
    """
    folder, *rest = text.split(":")
    try:
        weight = float(rest[0]) if rest else 1.0
    except ValueError:
        raise VoteposeError(f"--data {text}: {rest[0]!r} is no weight; write DIR, DIR:0.5 or DIR:0.5:mosaic") from None
    if weight <= 0 or rest[1:] not in ([], ["mosaic"]):
        raise VoteposeError(f"--data {text}: write DIR, DIR:0.5 or DIR:0.5:mosaic, with a weight over 0")
    return Path(folder), weight, bool(rest[1:])
