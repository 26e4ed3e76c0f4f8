"""The options of `votepose train`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from votepose.data.augment_config import AugmentConfig
from votepose.errors import VoteposeError
from votepose.models.backbones.build import Part

_SOURCE = re.compile(r"(.+?)(?::([^:/\\]*))?(?::([^:/\\]*))?")  # the folder may contain colons, as in C:\data
_AT_LEAST = {  # minimum of each option
    "steps": 1,
    "steps_per_epoch": 1,
    "batch_size": 1,
    "warmup": 0,
    "devices": 1,
    "nodes": 1,
    "workers": 0,
    "canvas": 1,
    "crop_images": 1,
    "evaluate_every": 1,
    "evaluate_images": 1,
    "patience": 1,
    "seed": 0,
}


@dataclass(frozen=True)
class TrainConfig:
    """Train a network on labelled images in COCO or YOLO format."""

    data: tuple[str, ...]
    """COCO folders (with annotations.json) or YOLO data.yaml files (`train`). `DIR:0.2` is sampled a fifth as often,
    `DIR:0.2:mosaic` only in mosaics."""
    out: Path = Path("runs/train")
    """Folder for checkpoints, logs and weights."""
    val: Path | None = None
    """Folder or data.yaml (`val`) to measure AP on during training."""
    preset: str = "movenet"
    """Architecture: mobile, maxvit, lite, movenet or fast."""
    paper: bool = False
    """Use the paper's losses, vectors, grouping and schedule, which has no warmup and does not follow --minutes."""
    hourglass: bool = True
    """Replace the hourglass with a 1x1 convolution (paper V-F)."""
    transformer: bool = True
    """Replace the transformer with a 1x1 convolution (paper V-F)."""
    input_size: int | None = None
    """Side of the square training input in pixels. Default: the preset's."""
    weights: Path | None = None
    """votepose weights to start from, or `bundled` for the bundled model. Weights for another skeleton initialise all
    layers that do not depend on the joints."""
    backbone_weights: Path | None = None
    """Safetensors of the backbone alone, or votepose weights of which only the backbone is used."""
    aux_weights: Path | None = None
    """Weights of MoveNet Thunder (safetensors) for an auxiliary backbone. Not needed if --weights has one."""
    pretrained: bool = False
    """Download the backbone's ImageNet weights with timm."""
    freeze: Part | None = None
    """Part of the backbone to freeze. stem: its first stages, which take most of the time. trunk: all but its last
    stages. The default depends on stage and preset."""
    stage: Literal["votes", "distill", "backbone-heads", "refiner", "focus", "joint"] = "votes"
    """Part to train. votes: the whole network. joint: every part of a movenet network, including the auxiliary
    backbone, each by its own losses. refiner: only the refiner, over the preset's whole image pyramid. focus: only the
    focus head, at half of the input size of inference. backbone-heads: only a movenet backbone, through its own heads,
    which propose poses. distill: only the backbone and its feature map, on the features of --teacher; labels are not
    used. In backbone-heads and joint, the backbones' learning rate is relative to the size of each weight tensor."""
    teacher: Path | None = None
    """With --stage distill, the weights to learn from: a file, or a name such as `lite`. If both feature maps have the
    same stride, the network learns to compute the teacher's features, and can then use its heads. Default: the bundled
    model."""
    crops: Path | None = None
    """With --stage refiner, a folder to cache the regions around people. They are cut once and reused, which saves most
    of the time on a CPU. --batch-size then counts people."""
    crop_images: int | None = None
    """Number of augmented images to cut regions from. Default: the number of images."""
    steps: int = 20_000
    """Optimiser steps in total."""
    minutes: float | None = None
    """Maximum training time, including the time before --resume; the learning rate then follows the clock. Such a run
    cannot be reproduced exactly."""
    steps_per_epoch: int = 250
    """Steps between checkpoints."""
    batch_size: int = 8
    """Images per step and process."""
    learning_rate: float | None = None
    """Peak learning rate. Default: 6e-4, or the paper's 3e-3 with --paper."""
    backbone_rate: float = 0.1
    """The backbone's learning rate, relative to --learning-rate."""
    weight_decay: float = 1e-5
    """Weight decay of the optimiser."""
    warmup: int = 200
    """Steps during which the learning rate rises."""
    clip: float = 1.0
    """Maximum norm of the gradient; larger ones are scaled down."""
    average: float = 0.999
    """Decay of the moving average of the weights."""
    precision: Literal["32-true", "bf16-mixed"] | None = None
    """Precision of the computation. Default: bf16-mixed, which is faster, or 32-true on CPUs without bf16 instructions,
    where bf16 is many times slower."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """Hardware to train on: cpu, gpu, or auto, which uses a GPU if there is one."""
    cuda_graphs: bool = True
    """Do not use CUDA graphs, which by default speed up --stage votes on a single GPU."""
    devices: int = 1
    """Processes on this machine, one per GPU (DDP)."""
    nodes: int = 1
    """Number of machines (DDP)."""
    workers: int = 1
    """Processes that load images, or plan batches of images on a GPU."""
    resident: bool = False
    """Keep the images on the device and augment them there, the default if they fit on a GPU. On a CPU this is
    slower."""
    from_disk: bool = False
    """Do not keep the images on the device: worker processes augment them from memory, or from disk if they do not fit
    in memory."""
    canvas: int | None = None
    """Longest side, in pixels, of the images kept on the device. Default: that of the largest image, or what the
    largest zoom can show."""
    evaluate_every: int = 4
    """Number of epochs between measurements of AP on --val. It is also measured at the end."""
    evaluate_images: int | None = None
    """Measure AP on the first N images of --val only. Default: all."""
    patience: int | None = None
    """Stop early if AP on --val has not risen in this many measurements in a row. Default: never."""
    augment: AugmentConfig = AugmentConfig()
    seed: int = 0
    """Random seed."""
    resume: bool = False
    """Continue from the last checkpoint in --out."""

    @property
    def peak_rate(self) -> float:
        """The peak learning rate: the given one or the default, with --paper that of its section V-B."""
        if self.learning_rate is not None:
            return self.learning_rate
        return 3e-3 if self.paper else 6e-4

    @property
    def log_every(self) -> int:
        """Number of steps between log entries."""
        return min(25, self.steps_per_epoch)

    def check(self) -> None:
        """Raise VoteposeError if an option is out of range, or contradicts or lacks another."""
        for name, least in _AT_LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise VoteposeError(f"--{name.replace('_', '-')} should be at least {least}, but is {value}")
        for name in ("learning_rate", "clip", "minutes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise VoteposeError(f"--{name.replace('_', '-')} should be above 0, but is {value:g}")
        for name in ("learning_rate", "minutes", "backbone_rate", "weight_decay"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise VoteposeError(f"--{name.replace('_', '-')} should be at least 0 and finite, but is {value:g}")
        if not 0 <= self.average < 1:
            raise VoteposeError(f"--average should be at least 0 and below 1, but is {self.average:g}")
        if not self.data:
            raise VoteposeError("--data needs at least one folder")
        if self.resident and self.from_disk:
            raise VoteposeError("--resident and --from-disk contradict each other: leave out one of them")
        for name in ("patience", "evaluate_images"):
            if getattr(self, name) is not None and self.val is None:
                raise VoteposeError(f"--{name.replace('_', '-')} needs --val, the data to measure AP on")
        if self.crop_images is not None and self.crops is None:
            raise VoteposeError("--crop-images needs --crops, the folder for the regions")
        self.augment.check()


def parse_source(text: str) -> tuple[Path, float, bool]:
    """`DIR`, `DIR:weight` or `DIR:weight:mosaic` -> folder, weight, only in mosaics.

    Raises:
        VoteposeError: for anything else.
    """
    found = _SOURCE.fullmatch(text)
    folder, given, mosaic = found.groups() if found else (text, None, None)
    try:
        weight = 1.0 if given is None else float(given)
    except ValueError:
        raise VoteposeError(f"--data {text}: {given!r} is not a weight; use DIR, DIR:0.5 or DIR:0.5:mosaic") from None
    if not 0 < weight < math.inf or mosaic not in (None, "mosaic"):
        raise VoteposeError(f"--data {text}: use DIR, DIR:0.5 or DIR:0.5:mosaic, with a weight above 0")
    return Path(folder), weight, mosaic is not None
