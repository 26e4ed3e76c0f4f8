"""The frozen trunk that all methods share, and its features of augmented training pictures, computed once."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from votepose.data.augment_config import AugmentConfig
from votepose.data.labelled import LabelledFolder
from votepose.data.loader import Batch, Source, TrainingSet, collate
from votepose.data.sample import Sample
from votepose.io.files import replacing
from votepose.letterbox import Letterbox
from votepose.models.checkpoint import load_network
from votepose.models.features import KeypointMaps
from votepose.models.posenet import PoseNet
from votepose.training.config import parse_source

AUGMENT = AugmentConfig(scale=(0.7, 1.8), mosaic=0.25, occluder=0.2)
SHARD = 250  # pictures per file
_AT_ONCE = 10  # pictures per forward pass


class Trunk:
    """The trunk, F and the head of keypoint maps of trained weights; nothing of it is trained further."""

    def __init__(self, weights: Path) -> None:
        network, metadata = load_network(weights)
        self.network: PoseNet = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.stride, self.channels = network.config.stride, network.config.channels
        self.skeleton = metadata.skeleton

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) uint8 -> F (B, C, h, w)."""
        return self.network.features(images.contiguous(memory_format=torch.channels_last))

    @torch.no_grad()
    def keypoint_maps(self, features: Tensor) -> KeypointMaps:
        assert self.network.keypoint_maps is not None
        maps: KeypointMaps = self.network.keypoint_maps(features)
        return maps

    def of_picture(self, image: np.ndarray, size: int, kept: Path) -> tuple[Letterbox, Tensor, KeypointMaps]:
        """How a picture (height, width, 3) is letterboxed, F (1, C, h, w) of it, and its keypoint maps.

        They are kept in a file, in half precision: methods are measured one after the other, or by several processes.
        """
        box = Letterbox.fit(image.shape[1], image.shape[0], size)
        if not kept.exists():
            features = self.features(torch.from_numpy(box.apply(image)).permute(2, 0, 1)[None])
            maps = self.keypoint_maps(features)
            kept.parent.mkdir(parents=True, exist_ok=True)
            with replacing(kept) as path:
                torch.save([x.half() for x in (features, maps.logits, maps.offsets)], path)
        features, logits, offsets = (x.float() for x in torch.load(kept))
        return box, features, KeypointMaps(logits, offsets)


class CachedFeatures:
    """F and labels of the first `count` augmented pictures of a stream, kept in a folder in files of `SHARD` pictures.

    Files that exist are not made again.

    Args:
        data: folders as `votepose train --data` takes them.
        size: side of the square inputs, in pixels.
    """

    def __init__(self, folder: Path, data: Sequence[str], trunk: Trunk, size: int, count: int) -> None:
        self.size, self.count = size, count
        folder.mkdir(parents=True, exist_ok=True)
        shards = [folder / f"{first:06d}" for first in range(0, count, SHARD)]
        missing = [shard for shard in shards if not shard.with_suffix(".labels").exists()]
        pictures = TrainingSet([_source(text) for text in data], size, AUGMENT, 0, count) if missing else None
        for shard in missing:
            assert pictures is not None
            first = int(shard.name)
            _compute(shard, [pictures[i] for i in range(first, min(first + SHARD, count))], trunk)
            print(f"features of {min(first + SHARD, count)} of {count} pictures", flush=True)
        self._maps = [np.load(shard.with_suffix(".npy"), mmap_mode="r") for shard in shards]
        self._labels: list[Sample] = []
        for shard in shards:
            self._labels += pickle.loads(shard.with_suffix(".labels").read_bytes())
        self._blank = np.zeros((size, size, 3), np.uint8)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Batch]:
        """F (B, C, h, w) float32, and the labels; the images of the batch are blank."""
        maps = torch.from_numpy(np.stack([self._maps[i // SHARD][i % SHARD] for i in indices]))
        features = maps.float().permute(0, 3, 1, 2)  # channels last, as they are stored
        return features, collate([replace(self._labels[i], image=self._blank) for i in indices])


def _source(text: str) -> Source:
    folder, weight, mosaic_only = parse_source(text)
    data = LabelledFolder.open(folder).on_demand()
    return Source(data, weight * len(data.samples), mosaic_only)


def _compute(shard: Path, samples: Sequence[Sample], trunk: Trunk) -> None:
    """Write a shard; the labels come last, so that a shard with labels is complete."""
    parts = []
    for first in range(0, len(samples), _AT_ONCE):
        images = collate(samples[first : first + _AT_ONCE]).images
        with torch.autocast("cpu", torch.bfloat16):  # half the time; F differs by 1 %
            parts.append(trunk.features(images).permute(0, 2, 3, 1).half().numpy())
    np.save(shard.with_suffix(".npy"), np.concatenate(parts))
    nothing = np.empty((0, 0, 3), np.uint8)
    with replacing(shard.with_suffix(".labels")) as path:
        path.write_bytes(pickle.dumps([replace(sample, image=nothing) for sample in samples]))
