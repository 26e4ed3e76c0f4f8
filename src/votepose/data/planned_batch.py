"""Planned batches as a dataset: small, planned on the CPU, and rendered into a `Batch` on the device of the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from votepose.data.augment_config import AugmentConfig
from votepose.data.label_table import LabelTable
from votepose.data.loader import Batch, ignore_mask, quiet_worker
from votepose.data.packed import Packed
from votepose.data.plan import Drawn, Plan, draw_plan
from votepose.data.render import Warp, render, warp_arrays


@dataclass(frozen=True)
class PlannedBatch:
    """A `Batch` before its pixels are rendered.

    Attributes:
        size, single: as in `Plan`. inputs: number of inputs.
        warp: the tensors of a `Warp`.
        labels: labels of the `Batch`: keypoints, boxes, areas, image index, ignore boxes (R, 4), their inputs (R,),
            complete.
    """

    size: int
    single: int
    inputs: int
    warp: Packed
    labels: Packed

    def __len__(self) -> int:
        return self.inputs

    @staticmethod
    def of(plan: Plan, longest: int) -> PlannedBatch:
        """The planned batch, for canvases of images with sides up to `longest`."""
        people = plan.people
        boxes = people.boxes, people.areas, people.part, people.ignore, people.ignore_part
        labels = Packed.of([people.keypoints, *boxes, plan.complete])
        return PlannedBatch(plan.size, plan.single, len(plan), Packed.of(warp_arrays(plan, longest)), labels)

    def to(self, device: torch.device | str) -> PlannedBatch:
        return replace(self, warp=self.warp.to(device), labels=self.labels.to(device))

    def render(self, canvases: Tensor) -> Batch:
        """Render the batch from canvases on the same device."""
        keypoints, boxes, areas, index, ignore, ignore_index, complete = self.labels.tensors()
        mask = ignore_mask(ignore, ignore_index, boxes, index, (self.inputs, self.size, self.size))
        images = render(canvases, self.unpacked())
        return Batch(images, keypoints, boxes, areas, index, mask, complete)

    def unpacked(self) -> Warp:
        """The parameters of the pixels."""
        return Warp(self.size, self.single, *self.warp.tensors())


class PlannedBatches(Dataset[PlannedBatch]):
    """An endless stream of planned batches, indexed by number."""

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
    batches: PlannedBatches, workers: int, start: int, stop: int, rank: int = 0, world: int = 1
) -> DataLoader[PlannedBatch]:
    """The batches of steps start to stop - 1; process `rank` of `world` gets every world-th batch.

    One worker plans them faster than a GPU trains on them.
    """
    return DataLoader(
        batches,
        batch_size=None,
        sampler=range(start * world + rank, stop * world, world),
        num_workers=min(workers, 1),
        worker_init_fn=quiet_worker,
        prefetch_factor=4 if workers else None,
    )
