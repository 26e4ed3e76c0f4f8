"""The labelled people of a batch, as the losses read them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from votepose.data.loader import Batch

_INCOMPLETE = 0.3  # weight of empty cells where people may be unlabelled, as in `VoteLossConfig`


@dataclass(frozen=True)
class Labels:
    """The N people of a batch on F's grid.

    Attributes:
        points: (N, K, 2) in cells. labelled: (N, K) bool. sizes: (N,) root of each person's area, in cells.
        boxes: (N, 4) in cells. image: (N,). shape: (B, h, w) of F.
        ignored: (B, h, w) bool: unlabelled people may be here.
        empty: (B,) weight of cells without anything to predict: less where people may be unlabelled.
        kappas: (K,). generator: draws the cells that vote.
    """

    points: Tensor
    labelled: Tensor
    sizes: Tensor
    boxes: Tensor
    image: Tensor
    shape: tuple[int, int, int]
    ignored: Tensor
    empty: Tensor
    kappas: Tensor
    generator: torch.Generator

    @classmethod
    def of(cls, batch: Batch, stride: int, kappas: Tensor, seed: int) -> Labels:
        height, width = (side // stride for side in batch.images.shape[-2:])
        points, labelled = batch.keypoints[..., :2] / stride, batch.keypoints[..., 2] > 0
        limits = torch.tensor([width, height]) - 1e-3
        return cls(
            torch.minimum(points.clamp(min=0), limits),
            labelled,
            batch.sizes / stride,
            batch.boxes / stride,
            batch.image_index,
            (len(batch), height, width),
            batch.ignored((height, width)),
            torch.where(batch.complete, 1.0, _INCOMPLETE),
            kappas,
            torch.Generator().manual_seed(seed),
        )
