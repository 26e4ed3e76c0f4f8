"""Caches refiner batches on disk: regions of interest are cut once and reused.

On a CPU this saves most of the time, since finding people takes many times as long as refining them. Regions are stored
with 8 bits per number, 471 kB per person with the `movenet` preset. `jittered` replaces image augmentation, which is no
longer possible.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from votepose.data.loader import Batch, TrainingSet, training_loader
from votepose.errors import VoteposeError
from votepose.io.files import replacing, save_text
from votepose.io.settings import as_json, read_note, require_same_settings
from votepose.models.features import ROI_COLUMNS, ROI_ROWS, FeatureSpec, context_feature
from votepose.models.posenet import PoseNet
from votepose.training.refiner_targets import RefinerBatch, RefinerTargets
from votepose.utils.progress import track

Range = tuple[Tensor, Tensor]  # (C, 1, 1) mean and standard deviation of a region's channels

_PICTURES = 64  # per file
_SHARDS = "people-*.npy"
_ELSE = "choose another --crops folder"
_BACKGROUND = 0.5  # share of background poses to keep
_STEPS = 20.0  # 8-bit steps per standard deviation
_LEAST_SPREAD = 0.1  # as in the refiner's normalisation
_TURN, _ZOOM, _SHIFT = math.radians(6), 0.12, 1.0  # standard deviations of an angle, a log of scale, grid cells
_DROPPED = 0.1  # share of channels replaced by their mean


class RoiCache:
    """A folder of refiner batches.

    Raises:
        VoteposeError: if it holds none, or they are from another network.
    """

    def __init__(self, folder: Path, specs: Sequence[FeatureSpec], keypoints: int) -> None:
        self.shards = [np.load(path, mmap_mode="r") for path in sorted(folder.glob(_SHARDS))]
        if not any(len(shard) for shard in self.shards):
            raise VoteposeError(f"{folder}: holds no regions of people")
        if self.shards[0].dtype != _row(specs, keypoints):
            raise VoteposeError(f"{folder}: its regions are from another network; {_ELSE}")
        self.ranges = _read_ranges(folder)
        self.starts = np.cumsum([0, *(len(shard) for shard in self.shards)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def batch(self, people: Sequence[int]) -> RefinerBatch:
        """The batch of the people with these numbers."""
        shards = np.searchsorted(self.starts, people, side="right") - 1
        rows = np.stack([self.shards[s][p - self.starts[s]] for s, p in zip(shards, people, strict=True)])
        read = {name: torch.from_numpy(np.ascontiguousarray(rows[name])) for name in rows.dtype.names or ()}
        rois = [read[f"roi{i}"].float() * (spread / _STEPS) + mean for i, (mean, spread) in enumerate(self.ranges)]
        targets = RefinerTargets(read["keypoints"], read["size"], read["is_person"], read["weight"])
        return RefinerBatch(rois, read["poses"], targets)


class _Shuffled(Dataset[RefinerBatch]):
    """An endless shuffled stream of batches of `size` people, indexed by number."""

    def __init__(self, store: RoiCache, size: int, seed: int) -> None:
        self.store, self.size, self.seed = store, size, seed

    def __getitem__(self, number: int) -> RefinerBatch:
        in_a_pass = max(1, len(self.store) // self.size)
        order = np.random.default_rng((self.seed, number // in_a_pass)).permutation(len(self.store))
        return self.store.batch(np.sort(order[number % in_a_pass * self.size :][: self.size]).tolist())


def roi_loader(
    store: RoiCache, size: int, seed: int, start: int, stop: int, rank: int, world: int
) -> DataLoader[RefinerBatch]:
    """Batches of `size` people for steps start, start + 1, … of process `rank` of `world`."""
    numbers = range(start * world + rank, stop * world, world)
    return DataLoader(_Shuffled(store, size, seed), batch_size=None, sampler=numbers)


def fill_cache(
    folder: Path,
    find: Callable[[Batch], RefinerBatch],
    data: TrainingSet,
    network: PoseNet,
    names: Sequence[str],
    workers: int,
    processes: int = 1,
) -> None:
    """Save the refiner batches of all people in `data` to `folder`, atomically; existing files are kept.

    Args:
        folder: folder for the regions.
        find: finds the people in a batch of one image.
        data: augmented images.
        network: the network that `find` uses. The refiner may differ from that of an earlier run.
        names: names of the data folders.
        workers: number of processes that load images.
        processes: number of processes that train; only one can cut regions.

    Raises:
        VoteposeError: if the folder holds regions from another network, regions must be added to those of other images,
            or several processes would have to cut them.
    """
    ends = {first: min(first + _PICTURES, len(data)) for first in range(0, len(data), _PICTURES)}
    left = [first for first, end in ends.items() if not _is_cut(folder, first, end)]
    if left and processes > 1:
        raise VoteposeError(
            f"{folder}: lacks regions of some of the {len(data)} images: cut them with one process first "
            "(--devices 1 --nodes 1 --steps 1 and another --out)"
        )
    folder.mkdir(parents=True, exist_ok=True)
    _require_same(folder, network, data, names, bool(left))
    for first in track(left, "cutting regions"):
        part = TrainingSet(data.sources, data.size, data.config, data.seed, ends[first])
        torch.manual_seed((data.seed << 32) + first)
        batch = _joined([_thinned(find(batch)) for batch in training_loader(part, 1, workers, start=first)])
        if len(batch) and not (folder / "ranges.json").exists():
            _write_ranges(folder, batch.rois)
        ranges = _read_ranges(folder) if len(batch) else []
        with replacing(_shard(folder, first, ends[first])) as temporary, temporary.open("wb") as file:
            np.save(file, _packed(batch, ranges, network.feature_specs))
        for shorter in set(folder.glob(f"people-{first:07d}-*.npy")) - {_shard(folder, first, ends[first])}:
            shorter.unlink()  # the last one of a run with fewer images


def _shard(folder: Path, first: int, end: int) -> Path:
    """The file of the people in the images first, first + 1, ... end - 1."""
    return folder / f"people-{first:07d}-{end:07d}.npy"


def _is_cut(folder: Path, first: int, end: int) -> bool:
    return any(int(path.stem[-7:]) >= end for path in folder.glob(f"people-{first:07d}-*.npy"))


def _require_same(folder: Path, network: PoseNet, data: TrainingSet, names: Sequence[str], adds: bool) -> None:
    """Check that earlier regions are from this network and, if others are added to them, from the same images."""
    note = folder / "settings.json"
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        if not name.startswith("refiner."):
            digest.update(value.cpu().numpy().tobytes())
    cut_with = {"weights": digest.hexdigest()[:16], "input size": data.size}
    images = {"data": names, "augmentation": asdict(data.config), "seed": data.seed}
    if any(folder.glob(_SHARDS)):
        before = read_note(note.read_bytes() if note.is_file() else b"", note, _ELSE)
        settings = cut_with | images
        compared = settings if adds else {**before, **as_json(cut_with)}
        require_same_settings(before, compared, f"{folder}: holds regions", _ELSE)
        print(f"{folder}: uses the regions that were cut before from {', '.join(before['data'])}")
    else:
        save_text(json.dumps(as_json(cut_with | images), indent=1), note)


def jittered(batch: RefinerBatch) -> RefinerBatch:
    """The same people, each slightly rotated, scaled and shifted, with some channels replaced by their mean."""
    like, count = batch.poses, len(batch.poses)
    angle, zoom = torch.randn(2, count, device=like.device) * like.new_tensor([[_TURN], [_ZOOM]])
    shift, scale = torch.randn(count, 1, 2, device=like.device) * _SHIFT, zoom.exp()
    cos, sin = scale * angle.cos(), scale * angle.sin()
    # Position p of the new region shows position `middle + linear (p - middle) + shift` of the old one.
    linear = torch.stack([torch.stack([cos, -sin], dim=-1), torch.stack([sin, cos], dim=-1)], dim=-2)
    middle = like.new_tensor([ROI_COLUMNS / 2, ROI_ROWS / 2])
    inverse = torch.linalg.inv(linear).transpose(1, 2)

    def moved(points: Tensor) -> Tensor:
        return (points - middle - shift) @ inverse + middle

    theta = torch.cat([linear * (middle / middle[:, None]), shift.transpose(1, 2) / middle[:, None]], dim=-1)
    rois = [_channels_dropped(_resampled(roi, theta)) for roi in batch.rois]
    targets = batch.targets
    keypoints = torch.cat([moved(targets.keypoints[..., :2]), targets.keypoints[..., 2:]], dim=-1)
    return RefinerBatch(
        rois,
        moved(batch.poses),
        replace(
            targets,
            keypoints=keypoints * targets.is_person[:, None, None],
            sizes=torch.where(targets.is_person, targets.sizes / scale, targets.sizes),
        ),
    )


def _resampled(roi: Tensor, theta: Tensor) -> Tensor:
    grid = F.affine_grid(theta, [len(roi), 1, *roi.shape[-2:]], align_corners=False)
    return F.grid_sample(roi, grid, padding_mode="border", align_corners=False)


def _channels_dropped(roi: Tensor) -> Tensor:
    """Replace some channels of each person by the channel's mean."""
    kept = torch.rand(roi.shape[:2], device=roi.device) > _DROPPED
    mean = roi.mean(dim=(0, 2, 3), keepdim=True)
    return torch.where(kept[..., None, None], roi, mean)


def _thinned(batch: RefinerBatch) -> RefinerBatch:
    """Drop part of the background, and poses that may be unlabelled people."""
    targets = batch.targets
    kept = targets.is_person | ((targets.weight > 0) & (torch.rand(len(batch.poses)) < _BACKGROUND))
    columns = (getattr(targets, field.name)[kept] for field in fields(RefinerTargets))
    return RefinerBatch([roi[kept] for roi in batch.rois], batch.poses[kept], RefinerTargets(*columns))


def _joined(batches: Sequence[RefinerBatch]) -> RefinerBatch:
    columns = (torch.cat([getattr(b.targets, field.name) for b in batches]) for field in fields(RefinerTargets))
    rois = [torch.cat(column) for column in zip(*(batch.rois for batch in batches), strict=True)]
    return RefinerBatch(rois, torch.cat([batch.poses for batch in batches]), RefinerTargets(*columns))


def _row(specs: Sequence[FeatureSpec], keypoints: int) -> np.dtype:
    """The record stored per person."""
    rois = [(f"roi{i}", "i1", spec.shape) for i, spec in enumerate((*specs, context_feature(specs)))]
    return np.dtype(
        [
            *rois,
            ("poses", "f4", (keypoints, 2)),
            ("keypoints", "f4", (keypoints, 3)),
            ("size", "f4"),
            ("is_person", "?"),
            ("weight", "f4"),
        ]
    )


def _packed(batch: RefinerBatch, ranges: Sequence[Range], specs: Sequence[FeatureSpec]) -> np.ndarray:
    rows = np.zeros(len(batch), _row(specs, batch.poses.shape[1]))
    if not len(batch):
        return rows
    for i, (roi, (mean, spread)) in enumerate(zip(batch.rois, ranges, strict=True)):
        rows[f"roi{i}"] = ((roi.float() - mean) / spread * _STEPS).round().clamp(-127, 127).cpu().numpy()
    targets = batch.targets
    values = {
        "poses": batch.poses,
        "keypoints": targets.keypoints,
        "size": targets.sizes,
        "is_person": targets.is_person,
        "weight": targets.weight,
    }
    for name, value in values.items():
        rows[name] = value.cpu().numpy()
    return rows


def _write_ranges(folder: Path, rois: Sequence[Tensor]) -> None:
    """Save mean and standard deviation of each channel inside the image; outside, maps are zero."""
    ranges = []
    for roi in rois:
        values = roi.float().transpose(0, 1).flatten(1)
        values = values[:, (values != 0).any(dim=0)]
        spread = (values.var(dim=1) + _LEAST_SPREAD**2).sqrt()
        ranges.append({"mean": values.mean(dim=1).tolist(), "spread": spread.tolist()})
    save_text(json.dumps(ranges), folder / "ranges.json")


def _read_ranges(folder: Path) -> list[Range]:
    ranges = json.loads((folder / "ranges.json").read_bytes())
    return [(torch.tensor(x["mean"])[:, None, None], torch.tensor(x["spread"])[:, None, None]) for x in ranges]
