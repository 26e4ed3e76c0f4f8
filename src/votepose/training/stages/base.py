"""The base of all training stages: the trained part of the network, a step, optimiser groups and clipping."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.utils.data import DataLoader

from votepose.data.augment_config import AugmentConfig
from votepose.data.loader import Source, TrainingSet, training_loader
from votepose.data.planned_batch import batch_loader
from votepose.data.resident import ResidentPictures
from votepose.models.backbones.build import Part, freeze
from votepose.models.config import NetworkConfig
from votepose.models.posenet import PoseNet
from votepose.models.presets import Preset
from votepose.skeleton import Skeleton
from votepose.training.config import TrainConfig
from votepose.training.recipes import Recipe


@dataclass(frozen=True)
class Epoch:
    """The steps of one epoch in one process.

    Attributes:
        pictures: images to sample from. size, augment, seed: see `TrainingSet`.
        batch_size: images (or people) per step and process.
        start, stop: the first step, and one past the last.
        workers: number of processes that load images.
        rank, world: number of this process, and number of processes.
    """

    pictures: ResidentPictures | Sequence[Source]
    size: int
    augment: AugmentConfig
    seed: int
    batch_size: int
    start: int
    stop: int
    workers: int
    rank: int
    world: int

    def loader(self) -> DataLoader[Any]:
        """Batches of augmented images; `PlannedBatch` if the images are on the device."""
        if isinstance(self.pictures, ResidentPictures):
            batches = self.pictures.batches(self.size, self.augment, self.seed, self.batch_size)
            return batch_loader(batches, self.workers, self.start, self.stop, self.rank, self.world)
        per_step = self.batch_size * self.world
        data = TrainingSet(self.pictures, self.size, self.augment, self.seed, length=per_step * self.stop)
        start = per_step * self.start
        return training_loader(data, self.batch_size, self.workers, start, self.rank, self.world)


@dataclass(frozen=True)
class Setting:
    """What stages are built from.

    Attributes:
        config: options of the training.
        preset, recipe: those of the network.
        skeleton: skeleton of the people.
        frozen: part of the backbone that is not trained.
    """

    config: TrainConfig
    preset: Preset
    recipe: Recipe
    skeleton: Skeleton
    frozen: Part


class Stage(nn.Module, ABC):
    """One way of training a network.

    `forward(network, batch)` runs the network on a batch and returns losses by name; `total` is minimised. Parameters
    of the stage itself, such as loss weights, are trained too.

    Attributes:
        frozen: part of the backbone that is not trained.
        default_freeze: default of that part; None for that of the preset's recipe.
        betas: betas of AdamW.
        reads_labels: whether it needs labelled people.
        unit: what a batch consists of, in the plural.
        trains_votes: whether the network finds people afterwards; otherwise the `votes` stage should follow.
    """

    reads_labels: ClassVar[bool] = True
    unit: ClassVar[str] = "images"
    trains_votes: ClassVar[bool] = True
    default_freeze: ClassVar[Part | None] = None
    betas: ClassVar[tuple[float, float]] = (0.9, 0.999)

    def __init__(self, frozen: Part) -> None:
        super().__init__()
        self.frozen = frozen

    @classmethod
    @abstractmethod
    def build(cls, setting: Setting) -> Stage:
        """The stage with these options, for a network with this preset."""

    @abstractmethod
    def forward(self, network: PoseNet, batch: Any) -> dict[str, Tensor]: ...

    @classmethod
    def require(cls, network: NetworkConfig, hint: str) -> None:
        """Raise VoteposeError, ending in `hint`, unless the network has the parts that this stage trains."""
        return

    def select(self, network: PoseNet) -> None:
        """Select the parameters of the network to train."""
        freeze(network.backbone, self.frozen)

    def parameter_groups(self, network: PoseNet, rate: float, backbone_rate: float) -> list[dict[str, Any]]:
        """Groups for AdamW: the heads at `rate`, the pretrained trunks at `rate` times `backbone_rate`."""
        trunks = [trunk for trunk in (network.backbone, network.aux_backbone) if trunk is not None]
        pretrained = [p for trunk in trunks for p in trunk.parameters() if p.requires_grad]
        ids = {id(p) for p in pretrained}
        others = [p for p in (*network.parameters(), *self.parameters()) if p.requires_grad and id(p) not in ids]
        groups = decaying(others, rate)
        return groups + (self._trunk_groups(pretrained, rate, backbone_rate) if pretrained else [])

    def _trunk_groups(self, pretrained: Sequence[Tensor], rate: float, backbone_rate: float) -> list[dict[str, Any]]:
        return decaying(pretrained, rate * backbone_rate)

    def record(self, network: PoseNet, batch: Any) -> None:
        """Record CUDA graphs for batches like this one, where possible; see `kernels.graphs`.

        Most stages have nothing to record. Call it before the first step.
        """
        return

    def clip_groups(self, network: PoseNet) -> list[list[nn.Parameter]]:
        """Parameters whose gradients are clipped together."""
        return [[p for p in (*network.parameters(), *self.parameters()) if p.requires_grad]]

    def loader(self, network: PoseNet, epoch: Epoch) -> DataLoader[Any]:
        """The batches of an epoch."""
        return epoch.loader()


def decaying(tensors: Sequence[Tensor], rate: float) -> list[dict[str, Any]]:
    """AdamW groups with one learning rate, without weight decay for biases, norms and other vectors."""
    matrices, vectors = [x for x in tensors if x.ndim > 1], [x for x in tensors if x.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "lr": rate},
        {"params": vectors, "lr": rate, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def relative_groups(tensors: Sequence[Tensor], rate: float) -> list[dict[str, Any]]:
    """AdamW groups with learning rates relative to the magnitude of each tensor, without weight decay.

    MoveNet has no normalisation, and its tensors differ a hundredfold in magnitude. Magnitudes are root mean squares,
    rounded to half octaves to keep the number of groups small.
    """
    groups: dict[float, list[Tensor]] = {}
    for tensor in tensors:
        size = float(tensor.detach().square().mean().sqrt().clamp(min=1e-12))
        groups.setdefault(2 ** (round(2 * math.log2(size)) / 2), []).append(tensor)
    return [{"params": alike, "lr": rate * size, "weight_decay": 0.0} for size, alike in groups.items()]
