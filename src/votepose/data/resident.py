"""Images that are decoded once and kept on a device, and batches augmented there.

Batch i depends only on the seed and i, so a resumed run continues exactly where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Self

import cv2
import numpy as np
import torch
from torch import Tensor

from votepose.data.augment_config import AugmentConfig
from votepose.data.canvas import canvas_bytes, new_canvases, put, shrink
from votepose.data.coco_json.labels import LabelledImage
from votepose.data.coco_json.values import number
from votepose.data.label_table import LabelTable
from votepose.data.labelled import LabelledFolder
from votepose.data.plan import Drawn
from votepose.data.planned_batch import PlannedBatches
from votepose.data.remarks import Remark
from votepose.data.sample import Sample
from votepose.skeleton import Skeleton
from votepose.utils.machine import usable_cpus
from votepose.utils.progress import Bar

_AT_ONCE = 256  # images decoded before each transfer to the device
_UNKNOWN_SIDE = 640  # in pixels, if no json has image sizes


@dataclass(frozen=True)
class FolderSource:
    """A folder to train on, the sampling weight of each of its images (any unit), and whether to use it only in
    mosaics."""

    folder: LabelledFolder
    weight: float = 1.0
    mosaic_only: bool = False


def longest_side(folders: Sequence[LabelledFolder]) -> int:
    """The longest side of the images in pixels, according to their jsons."""
    sides = [number(p.entry.get(side)) for folder in folders for p in folder.pictures for side in ("width", "height")]
    return int(max((side for side in sides if side > 0), default=_UNKNOWN_SIDE))


def bytes_needed(folders: Sequence[LabelledFolder], longest: int) -> int:
    """Number of bytes of the images on a device, with sides limited to `longest` pixels."""
    return sum(len(folder.pictures) for folder in folders) * canvas_bytes(longest)


@dataclass(frozen=True)
class ResidentPictures:
    """Images on a device, and their people.

    Attributes:
        canvases: see `votepose.data.canvas`. longest: maximum side of an image there.
        table: the labels. sources: its rows with their sampling weights.
        skeleton: skeleton of the people.
        left_out: for each folder, remarks on what was left out or adjusted.
    """

    canvases: Tensor
    longest: int
    table: LabelTable
    sources: list[Drawn]
    skeleton: Skeleton
    left_out: list[list[Remark]]

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self  # it is immutable, and a device has no room for two

    def __len__(self) -> int:
        return len(self.table)

    @staticmethod
    def load(sources: Sequence[FolderSource], longest: int, device: torch.device | str) -> ResidentPictures:
        """Decode the images of folders onto a device, shrinking those larger than `longest`.

        Images that cannot be decoded are left out and listed in `left_out`.

        Raises:
            VoteposeError: if a folder has no usable image.
        """
        items = [(source.folder, picture) for source in sources for picture in source.folder.pictures]
        canvases = new_canvases(len(items), longest, device)
        found = _decode(items, canvases, longest)
        kept = [i for i, (sample, _) in enumerate(found) if sample is not None]
        for place, i in enumerate(kept):  # close the gaps of broken images
            if place != i:
                canvases[place] = canvases[i]
        drawn, left_out, first, start = [], [], 0, 0
        for source in sources:
            stop = start + len(source.folder.pictures)
            count = sum(sample is not None for sample, _ in found[start:stop])
            remarks = source.folder.left_out(remark for _, its_remarks in found[start:stop] for remark in its_remarks)
            source.folder.require_some(count, remarks)
            left_out.append(remarks)
            # Weights are per image, so that a small folder does not dominate a large one.
            drawn.append(Drawn(first, count, source.weight * count, source.mosaic_only))
            first, start = first + count, stop
        skeleton = sources[0].folder.labels.skeleton
        table = LabelTable.of((sample for sample, _ in found if sample is not None), len(skeleton))
        return ResidentPictures(canvases[: len(kept)], longest, table, drawn, skeleton, left_out)

    def batches(self, size: int, config: AugmentConfig, seed: int, batch_size: int) -> PlannedBatches:
        """An endless stream of batches with `batch_size` inputs of side `size`."""
        flip = self.skeleton.flip
        return PlannedBatches(self.table, self.longest, self.sources, flip, size, config, seed, batch_size)


def _decode(
    items: Sequence[tuple[LabelledFolder, LabelledImage]], canvases: Tensor, longest: int
) -> list[tuple[Sample | None, list[Remark]]]:
    """Paint images on canvases; returns their samples, without pixels, and remarks."""
    side = canvases.shape[-1]
    count = min(len(items), _AT_ONCE)
    host = torch.empty(count, 3, side, side, dtype=torch.uint8, pin_memory=canvases.is_cuda)
    found: list[tuple[Sample | None, list[Remark]]] = []
    with ThreadPoolExecutor(usable_cpus()) as pool, Bar("decoding images", len(items)) as bar:
        for start in range(0, len(items), _AT_ONCE):
            part = items[start : start + _AT_ONCE]
            for one in pool.map(_decode_one, part, host.numpy(), [longest] * len(part)):
                found.append(one)
                bar.advance()
            target = canvases[start : start + len(part)]
            target[:, :, :side] = host[: len(part)].to(canvases.device)
            shrink(target)
    return found


def _decode_one(
    item: tuple[LabelledFolder, LabelledImage], canvas: np.ndarray, longest: int
) -> tuple[Sample | None, list[Remark]]:
    folder, picture = item
    sample, remarks = folder.read(picture)
    if sample is None:
        return None, remarks
    sample = _limited(sample, longest)
    put(canvas, sample.image)
    without_pixels = np.broadcast_to(np.uint8(0), sample.image.shape)
    return replace(sample, image=without_pixels), remarks


def _limited(sample: Sample, longest: int) -> Sample:
    """The sample with its longest side limited to `longest` pixels."""
    height, width = sample.image.shape[:2]
    if max(height, width) <= longest:
        return sample
    size = tuple(max(1, round(side * longest / max(height, width))) for side in (width, height))
    scale = np.array(size, np.float32) / (width, height)
    keypoints = sample.keypoints * np.array([*scale, 1], np.float32)
    boxes, ignore = (b * np.tile(scale, 2).astype(np.float32) for b in (sample.boxes, sample.ignore))
    return replace(
        sample,
        image=cv2.resize(sample.image, size, interpolation=cv2.INTER_AREA),
        keypoints=keypoints.astype(np.float32),
        boxes=boxes.astype(np.float32),
        areas=(sample.areas * scale.prod()).astype(np.float32),
        ignore=ignore.astype(np.float32),
    )
