"""Batches for training. Sample i depends only on the seed and i, so a resumed run continues exactly where it
stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from votepose.data.augment import augmented
from votepose.data.augment_config import AugmentConfig
from votepose.data.label_table import LabelTable
from votepose.data.labelled import LabelledDataset
from votepose.data.plan import plan_inputs
from votepose.data.sample import Sample

_IGNORE_STRIDE = 4
_LEAST_AREA = 16.0  # square pixels


@dataclass(frozen=True)
class Source:
    """A dataset, its sampling weight (any unit), and whether to use it only in mosaics."""

    dataset: LabelledDataset
    weight: float = 1.0
    mosaic_only: bool = False


@dataclass(frozen=True)
class Batch:
    """B square inputs of side S, and the N people in them.

    Attributes:
        images: (B, 3, S, S) uint8.
        keypoints: (N, K, 3) in input pixels, with COCO's v.
        boxes: (N, 4) x, y, width, height, in input pixels. areas: (N,) in square input pixels.
        image_index: (N,) image of each person.
        ignore: (B, S/4, S/4) bool: whether unlabelled people may be here. complete: (B,) bool: whether everyone else is
            labelled.
    """

    images: Tensor
    keypoints: Tensor
    boxes: Tensor
    areas: Tensor
    image_index: Tensor
    ignore: Tensor
    complete: Tensor

    def __len__(self) -> int:
        return len(self.images)

    @property
    def sizes(self) -> Tensor:
        """(N,) square root of each person's area, in pixels, bounded below."""
        return self.areas.clamp(min=_LEAST_AREA).sqrt()

    def ignored(self, shape: Sequence[int]) -> Tensor:
        """(B, h, w) bool: `ignore` on a map of this shape (h, w)."""
        return F.interpolate(self.ignore[:, None].float(), size=list(shape), mode="nearest")[:, 0] > 0

    def to(self, device: torch.device | str) -> Batch:
        return Batch(*(getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)))


class TrainingSet(Dataset[Sample]):
    """The first `length` samples of an endless stream of augmented samples, indexed by number."""

    def __init__(self, sources: Sequence[Source], size: int, config: AugmentConfig, seed: int, length: int) -> None:
        self.sources, self.size, self.config, self.seed, self.length = list(sources), size, config, seed, length
        weights = np.array([s.weight for s in sources], float)
        self.weights = weights / weights.sum()
        self.skeleton = sources[0].dataset.skeleton

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng((self.seed, index))
        sample, mosaic_only = self._draw(rng)
        mosaic = mosaic_only or rng.random() < self.config.mosaic
        samples = [sample, *(self._draw(rng)[0] for _ in range(3))] if mosaic else [sample]
        table, rows = LabelTable.of(samples, len(self.skeleton)), np.arange(len(samples))
        singles, mosaics = (rows[:0], rows[None]) if mosaic else (rows, rows[:0].reshape(0, 4))
        plan = plan_inputs(table, singles, mosaics, self.size, self.config, self.skeleton.flip, rng)
        return augmented(samples, plan)

    def _draw(self, rng: np.random.Generator) -> tuple[Sample, bool]:
        source = self.sources[rng.choice(len(self.sources), p=self.weights)]
        return source.dataset.samples[int(rng.integers(len(source.dataset.samples)))], source.mosaic_only


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack equally sized samples."""
    images = torch.from_numpy(np.stack([s.image for s in samples])).permute(0, 3, 1, 2)
    boxes, index = _joined([s.boxes for s in samples])
    ignore, ignore_index = _joined([s.ignore for s in samples])
    return Batch(
        images,
        torch.from_numpy(np.concatenate([s.keypoints for s in samples]).astype(np.float32)),
        boxes,
        torch.from_numpy(np.concatenate([s.areas for s in samples]).astype(np.float32)),
        index,
        ignore_mask(ignore, ignore_index, boxes, index, (len(samples), *images.shape[2:])),
        torch.tensor([s.complete for s in samples]),
    )


def _joined(boxes: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """The boxes of all samples, and the sample's number for each."""
    counts = torch.tensor([len(b) for b in boxes])
    joined = torch.from_numpy(np.concatenate(boxes).astype(np.float32))
    return joined, torch.repeat_interleave(torch.arange(len(boxes)), counts)


def ignore_mask(
    ignore: Tensor, ignore_index: Tensor, boxes: Tensor, image_index: Tensor, shape: tuple[int, int, int]
) -> Tensor:
    """(B, H/4, W/4) bool: whether a cell is inside an ignore box (R, 4) and outside all labelled people's boxes (N, 4).

    Args:
        ignore, boxes: x, y, width, height in pixels. ignore_index, image_index: index of each box's image.
        shape: (B, H, W) of the images.
    """
    cells = shape[0], shape[1] // _IGNORE_STRIDE, shape[2] // _IGNORE_STRIDE
    outside = ~cells_inside(boxes / _IGNORE_STRIDE, image_index, cells)
    return cells_inside(ignore / _IGNORE_STRIDE, ignore_index, cells) & outside


def cells_inside(boxes: Tensor, index: Tensor, shape: tuple[int, int, int], counted: Tensor | None = None) -> Tensor:
    """(M, h, w) bool: whether a box touches the cell.

    Args:
        boxes: (n, 4) x, y, width, height in cells. index: (n,) index of each box's map.
        shape: (M, h, w) of the maps.
        counted: (n,) bool: whether to count each box.
    """
    height, width = shape[1:]
    low, high = boxes[:, :2].floor().long(), (boxes[:, :2] + boxes[:, 2:]).ceil().long()
    left, right = low[:, 0].clamp(0, width), high[:, 0].clamp(0, width)
    top, bottom = low[:, 1].clamp(0, height), high[:, 1].clamp(0, height)
    # Add 1 at two corners and -1 at the other two; cumulative sums then give the number of boxes over each cell.
    counts = torch.zeros(shape[0] * (height + 1) * (width + 1), dtype=torch.int32, device=boxes.device)
    one = torch.ones_like(left, dtype=torch.int32) if counted is None else counted.int()
    for x, y, change in ((left, top, 1), (right, bottom, 1), (right, top, -1), (left, bottom, -1)):
        counts.index_add_(0, (index * (height + 1) + y) * (width + 1) + x, one, alpha=change)
    counts = counts.view(shape[0], height + 1, width + 1)
    counts = counts.cumsum(dim=1, dtype=torch.int32).cumsum(dim=2, dtype=torch.int32)
    return counts[:, :height, :width] > 0


def training_loader(
    data: TrainingSet, batch_size: int, workers: int, start: int = 0, rank: int = 0, world: int = 1
) -> DataLoader[Batch]:
    """Batches of samples start, start + 1, …; process `rank` of `world` gets every world-th sample."""
    indices = range(start + rank, len(data), world)
    return DataLoader(
        data,  # type: ignore[arg-type]
        batch_size,
        sampler=indices,
        num_workers=workers,
        collate_fn=collate,
        drop_last=True,
        worker_init_fn=quiet_worker,
        prefetch_factor=4 if workers else None,
    )


def quiet_worker(_: int) -> None:
    """Limit a worker process to one thread."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
