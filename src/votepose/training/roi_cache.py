"""Lessons kept on disk: people's crops are cut once, and the second look is taught from them as often as one likes.

On a CPU that saves most of the time, since finding people costs many times what looking at them costs. Crops are kept
in 8 bits a number, 471 kB a person with the `movenet` preset. What augmentation of pictures can then no longer do,
`varied` does to crops.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from votepose.data.loader import Batch, TrainingSet, training_loader
from votepose.errors import VoteposeError
from votepose.io.files import save_text
from votepose.models.heads.roi_align import COLUMNS, ROWS, Detail, coarser
from votepose.models.posenet import PoseNet
from votepose.skeleton import Skeleton
from votepose.training.losses.refiner import LookTruth
from votepose.training.refiner_targets import Lesson, teach
from votepose.utils.progress import track

Range = tuple[Tensor, Tensor]  # (C, 1, 1) mean and spread of the channels of a crop

_PICTURES = 64  # whose people are in one file
_NOBODIES = 0.5  # share of those who are nobody that is kept
_STEPS = 20.0  # a spread is so many steps of the 8 bits
_LEAST_SPREAD = 0.1  # as in the look's own normalisation
_TURN, _ZOOM, _SHIFT = math.radians(6), 0.12, 1.0  # standard deviations of an angle, a log of scale, grid cells
_DARK = 0.1  # share of channels that are left out


class CropStore:
    """A folder of lessons.

    Raises:
        VoteposeError: if it holds none, or they are of another network.
    """

    def __init__(self, folder: Path, details: Sequence[Detail], keypoints: int) -> None:
        paths = sorted(folder.glob("people-*.npy"))
        if not paths:
            raise VoteposeError(f"{folder}: holds no crops of people")
        self.shards = [np.load(path, mmap_mode="r") for path in paths]
        if self.shards[0].dtype != _row(details, keypoints):
            raise VoteposeError(f"{folder}: its crops are of another network; name another folder to cut anew")
        self.ranges = _read_ranges(folder)
        self.starts = np.cumsum([0, *(len(shard) for shard in self.shards)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def lesson(self, people: Sequence[int]) -> Lesson:
        """The lesson of these people, by number."""
        shards = np.searchsorted(self.starts, people, side="right") - 1
        rows = np.stack([self.shards[s][p - self.starts[s]] for s, p in zip(shards, people, strict=True)])
        read = {name: torch.from_numpy(np.ascontiguousarray(rows[name])) for name in rows.dtype.names or ()}
        crops = [read[f"crop{i}"].float() * (spread / _STEPS) + mean for i, (mean, spread) in enumerate(self.ranges)]
        truth = LookTruth(read["keypoints"], read["size"], read["somebody"], read["weight"])
        return Lesson(crops, read["poses"], truth)


class _Shuffled(Dataset[Lesson]):
    """The lessons, `size` people each, of an endless shuffled stream, addressed by number."""

    def __init__(self, store: CropStore, size: int, seed: int) -> None:
        self.store, self.size, self.seed = store, size, seed

    def __getitem__(self, number: int) -> Lesson:
        in_a_pass = max(1, len(self.store) // self.size)
        order = np.random.default_rng((self.seed, number // in_a_pass)).permutation(len(self.store))
        return self.store.lesson(np.sort(order[number % in_a_pass * self.size :][: self.size]).tolist())


def crop_loader(
    store: CropStore, size: int, seed: int, start: int, stop: int, rank: int, world: int
) -> DataLoader[Lesson]:
    """Lessons of `size` people for steps start, start + 1, … of process `rank` of `world`."""
    numbers = range(start * world + rank, stop * world, world)
    return DataLoader(_Shuffled(store, size, seed), batch_size=None, sampler=numbers)


def cut(
    folder: Path, find: Callable[[Batch], Lesson], data: TrainingSet, details: Sequence[Detail], workers: int
) -> None:
    """Keep the lessons of everybody in `data` in `folder`; files appear whole, and those that are there are kept.

    Args:
        folder: of the crops.
        find: whom the network finds in a batch of one picture.
        data: augmented pictures.
        details: of the maps that are cropped.
        workers: processes that read pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for first in track(range(0, len(data), _PICTURES), "cutting crops"):
        path = folder / f"people-{first:07d}.npy"
        if path.exists():
            continue
        part = TrainingSet(data.sources, data.size, data.config, data.seed, min(first + _PICTURES, len(data)))
        torch.manual_seed((data.seed << 32) + first)
        lesson = _joined([_thinned(find(batch)) for batch in training_loader(part, 1, workers, start=first)])
        if not (folder / "ranges.json").exists():
            _write_ranges(folder, lesson.crops)
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.save(file, _packed(lesson, _read_ranges(folder), details))
        os.replace(temporary, path)


class CropObjective(nn.Module):
    """What the second look is taught from kept crops.

    `forward(network, lesson)` returns a dict of scalars; `total` is what is minimised.
    """

    kappas: Tensor
    flip: Tensor

    def __init__(self, skeleton: Skeleton) -> None:
        super().__init__()
        self.register_buffer("kappas", torch.from_numpy(skeleton.kappas), persistent=False)
        self.register_buffer("flip", torch.from_numpy(skeleton.flip), persistent=False)

    def forward(self, network: PoseNet, lesson: Lesson) -> dict[str, Tensor]:
        assert network.second_look is not None
        network.eval()
        network.second_look.train(self.training)
        return teach(network.second_look, varied(lesson), self.kappas, self.flip)


def varied(lesson: Lesson) -> Lesson:
    """The same people, each turned, scaled and shifted a little, and with channels left out."""
    like, count = lesson.poses, len(lesson.poses)
    angle, zoom = torch.randn(2, count, device=like.device) * like.new_tensor([[_TURN], [_ZOOM]])
    shift, scale = torch.randn(count, 1, 2, device=like.device) * _SHIFT, zoom.exp()
    cos, sin = scale * angle.cos(), scale * angle.sin()
    # A place p of the new crop shows the old one's place `middle + linear (p - middle) + shift`.
    linear = torch.stack([torch.stack([cos, -sin], dim=-1), torch.stack([sin, cos], dim=-1)], dim=-2)
    middle = like.new_tensor([COLUMNS / 2, ROWS / 2])
    inverse = torch.linalg.inv(linear).transpose(1, 2)

    def moved(points: Tensor) -> Tensor:
        return (points - middle - shift) @ inverse + middle

    theta = torch.cat([linear * (middle / middle[:, None]), shift.transpose(1, 2) / middle[:, None]], dim=-1)
    crops = [_dimmed(_resampled(crop, theta)) for crop in lesson.crops]
    truth = lesson.truth
    keypoints = torch.cat([moved(truth.keypoints[..., :2]), truth.keypoints[..., 2:]], dim=-1)
    return Lesson(
        crops,
        moved(lesson.poses),
        replace(
            truth,
            keypoints=keypoints * truth.somebody[:, None, None],
            sizes=torch.where(truth.somebody, truth.sizes / scale, truth.sizes),
        ),
    )


def _resampled(crop: Tensor, theta: Tensor) -> Tensor:
    grid = F.affine_grid(theta, [len(crop), 1, *crop.shape[-2:]], align_corners=False)
    return F.grid_sample(crop, grid, padding_mode="border", align_corners=False)


def _dimmed(crop: Tensor) -> Tensor:
    """Some channels of each person at that channel's mean."""
    kept = torch.rand(crop.shape[:2], device=crop.device) > _DARK
    mean = crop.mean(dim=(0, 2, 3), keepdim=True)
    return torch.where(kept[..., None, None], crop, mean)


def _thinned(lesson: Lesson) -> Lesson:
    """Without some of those who are nobody, and those of whom nothing is known."""
    truth = lesson.truth
    kept = truth.somebody | ((truth.weight > 0) & (torch.rand(len(lesson.poses)) < _NOBODIES))
    truth = LookTruth(truth.keypoints[kept], truth.sizes[kept], truth.somebody[kept], truth.weight[kept])
    return Lesson([crop[kept] for crop in lesson.crops], lesson.poses[kept], truth)


def _joined(lessons: Sequence[Lesson]) -> Lesson:
    truths = [lesson.truth for lesson in lessons]
    truth = LookTruth(*(torch.cat([getattr(truth, field.name) for truth in truths]) for field in fields(LookTruth)))
    crops = [torch.cat(column) for column in zip(*(lesson.crops for lesson in lessons), strict=True)]
    return Lesson(crops, torch.cat([lesson.poses for lesson in lessons]), truth)


def _row(details: Sequence[Detail], keypoints: int) -> np.dtype:
    """What is kept of a person."""
    crops = [(f"crop{i}", "i1", detail.shape) for i, detail in enumerate((*details, coarser(details)))]
    return np.dtype(
        [
            *crops,
            ("poses", "f4", (keypoints, 2)),
            ("keypoints", "f4", (keypoints, 3)),
            ("size", "f4"),
            ("somebody", "?"),
            ("weight", "f4"),
        ]
    )


def _packed(lesson: Lesson, ranges: Sequence[Range], details: Sequence[Detail]) -> np.ndarray:
    rows = np.zeros(len(lesson.poses), _row(details, lesson.poses.shape[1]))
    for i, (crop, (mean, spread)) in enumerate(zip(lesson.crops, ranges, strict=True)):
        rows[f"crop{i}"] = ((crop.float() - mean) / spread * _STEPS).round().clamp(-127, 127).cpu().numpy()
    truth = lesson.truth
    values = {
        "poses": lesson.poses,
        "keypoints": truth.keypoints,
        "size": truth.sizes,
        "somebody": truth.somebody,
        "weight": truth.weight,
    }
    for name, value in values.items():
        rows[name] = value.cpu().numpy()
    return rows


def _write_ranges(folder: Path, crops: Sequence[Tensor]) -> None:
    """Mean and spread of each channel, but for places beside the picture, where maps are zero."""
    ranges = []
    for crop in crops:
        values = crop.float().transpose(0, 1).flatten(1)
        values = values[:, (values != 0).any(dim=0)]
        spread = (values.var(dim=1) + _LEAST_SPREAD**2).sqrt()
        ranges.append({"mean": values.mean(dim=1).tolist(), "spread": spread.tolist()})
    save_text(json.dumps(ranges), folder / "ranges.json")


def _read_ranges(folder: Path) -> list[Range]:
    ranges = json.loads((folder / "ranges.json").read_text())
    return [(torch.tensor(x["mean"])[:, None, None], torch.tensor(x["spread"])[:, None, None]) for x in ranges]
