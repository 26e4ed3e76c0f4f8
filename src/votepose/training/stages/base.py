"""What every training stage has: a part of the network that trains, a step, optimiser groups, clipping."""

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


@dataclass(frozen=True)
class Epoch:
    """The steps of one epoch, as one process of several sees them.

    Attributes:
        pictures: to draw from. size, augment, seed: see `TrainingSet`.
        batch_size: images (or people) per step and process.
        start, stop: first step, and the one after the last.
        workers: processes that read images.
        rank, world: number of this process, and how many there are.
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
        """Batches of augmented images, of those on the device as `PlannedBatch`."""
        if isinstance(self.pictures, ResidentPictures):
            batches = self.pictures.batches(self.size, self.augment, self.seed, self.batch_size)
            return batch_loader(batches, self.workers, self.start, self.stop, self.rank, self.world)
        per_step = self.batch_size * self.world
        data = TrainingSet(self.pictures, self.size, self.augment, self.seed, length=per_step * self.stop)
        start = per_step * self.start
        return training_loader(data, self.batch_size, self.workers, start, self.rank, self.world)


class Stage(nn.Module, ABC):
    """One way of training a network.

    `forward(network, batch)` runs the network on a batch and returns losses by name; `total` is what is minimised.
    Parameters of the stage itself, such as loss weights, train along.

    Attributes:
        frozen: part of the backbone that does not train.
        default_freeze: what that part is by default; None leaves it to the preset's recipe.
        betas: of AdamW.
        reads_labels: whether images need labelled people.
    """

    reads_labels: ClassVar[bool] = True
    default_freeze: ClassVar[Part | None] = None
    betas: ClassVar[tuple[float, float]] = (0.9, 0.999)

    def __init__(self, frozen: Part) -> None:
        super().__init__()
        self.frozen = frozen

    @abstractmethod
    def forward(self, network: PoseNet, batch: Any) -> dict[str, Tensor]: ...

    @classmethod
    def require(cls, network: NetworkConfig, hint: str) -> None:
        """Raise VoteposeError, ending in `hint`, unless such a network has the parts that this stage trains."""
        return

    def select(self, network: PoseNet) -> None:
        """Choose which parameters of the network train."""
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
        """Run steps of batches like this one as CUDA graphs from now on, as far as they can be: see `kernels.graphs`.

        Most stages have nothing that can. Before the first step.
        """
        return

    def clip_groups(self, network: PoseNet) -> list[list[nn.Parameter]]:
        """Parameters whose gradients are clipped together."""
        return [[p for p in (*network.parameters(), *self.parameters()) if p.requires_grad]]

    def loader(self, network: PoseNet, epoch: Epoch) -> DataLoader[Any]:
        """The batches of an epoch."""
        return epoch.loader()


def decaying(tensors: Sequence[Tensor], rate: float) -> list[dict[str, Any]]:
    """Groups for AdamW at one rate, whose weight decay spares biases, norms and other vectors."""
    matrices, vectors = [x for x in tensors if x.ndim > 1], [x for x in tensors if x.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "lr": rate},
        {"params": vectors, "lr": rate, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def relative_groups(tensors: Sequence[Tensor], rate: float) -> list[dict[str, Any]]:
    """Groups for AdamW whose rates are relative to the size of each tensor's numbers, without weight decay.

    MoveNet has no normalisation: its tensors differ a hundredfold in size. Sizes are root mean squares, rounded to half
    octaves, since few groups make fast steps.
    """
    groups: dict[float, list[Tensor]] = {}
    for tensor in tensors:
        size = float(tensor.detach().square().mean().sqrt().clamp(min=1e-12))
        groups.setdefault(2 ** (round(2 * math.log2(size)) / 2), []).append(tensor)
    return [{"params": alike, "lr": rate * size, "weight_decay": 0.0} for size, alike in groups.items()]
