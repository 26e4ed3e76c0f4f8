"""Planned batches as a data set: small, drawn by the CPU, and turned into a `Batch` where the pictures are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from votepose.data.augment_config import AugmentConfig
from votepose.data.label_table import LabelTable
from votepose.data.loader import Batch, ignore_mask, quiet_worker
from votepose.data.plan import Drawn, Plan, draw_plan
from votepose.data.render import Warp, render


@dataclass(frozen=True)
class PlannedBatch:
    """A `Batch` that still lacks its pixels; see there.

    Attributes:
        ignore: (R, 4) boxes. ignore_index: (R,) inputs that they are in.
    """

    warp: Warp
    keypoints: Tensor
    boxes: Tensor
    areas: Tensor
    image_index: Tensor
    ignore: Tensor
    ignore_index: Tensor
    complete: Tensor

    def __len__(self) -> int:
        return len(self.complete)

    @staticmethod
    def of(plan: Plan, longest: int) -> PlannedBatch:
        """For canvases of pictures with sides up to `longest`."""
        people = plan.people
        arrays = (
            people.keypoints,
            people.boxes,
            people.areas,
            people.part,
            people.ignore,
            people.ignore_part,
            plan.complete,
        )
        return PlannedBatch(Warp.of(plan, longest), *map(torch.from_numpy, arrays))

    def to(self, device: torch.device | str) -> PlannedBatch:
        warp, *rest = (getattr(self, field.name) for field in fields(self))
        return PlannedBatch(warp.to(device), *(tensor.to(device, non_blocking=True) for tensor in rest))

    def pin_memory(self) -> PlannedBatch:
        return PlannedBatch(*(getattr(self, field.name).pin_memory() for field in fields(self)))

    def render(self, canvases: Tensor) -> Batch:
        """The batch, from canvases on the device that this is on too."""
        shape = len(self), self.warp.size, self.warp.size
        mask = ignore_mask(self.ignore, self.ignore_index, self.boxes, self.image_index, shape)
        return Batch(
            render(canvases, self.warp), self.keypoints, self.boxes, self.areas, self.image_index, mask, self.complete
        )


class PlannedBatches(Dataset[PlannedBatch]):
    """An endless stream of planned batches, addressed by number."""

    def __init__(
        self,
        table: LabelTable,
        longest: int,
        sources: Sequence[Drawn],
        flip: np.ndarray,
        size: int,
        config: AugmentConfig,
        seed: int,
        batch_size: int,
    ) -> None:
        self.table, self.longest, self.sources, self.flip = table, longest, sources, flip
        self.size, self.config, self.seed, self.batch_size = size, config, seed, batch_size

    def __getitem__(self, number: int) -> PlannedBatch:
        rng = np.random.default_rng((self.seed, number))
        plan = draw_plan(self.table, self.sources, self.batch_size, self.size, self.config, self.flip, rng)
        return PlannedBatch.of(plan, self.longest)


def batch_loader(
    batches: PlannedBatches, workers: int, pinned: bool, start: int, stop: int, rank: int = 0, world: int = 1
) -> DataLoader[PlannedBatch]:
    """The batches of steps start to stop - 1; process `rank` of `world` takes every world-th.

    One worker draws them faster than a GPU trains on them. `pinned` for a GPU to fetch them without waiting.
    """
    return DataLoader(
        batches,
        batch_size=None,
        sampler=range(start * world + rank, stop * world, world),
        num_workers=min(workers, 1),
        worker_init_fn=quiet_worker,
        pin_memory=pinned,
        prefetch_factor=4 if workers else None,
    )
