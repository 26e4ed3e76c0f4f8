"""Kept crops: what is kept is what was cut, to the 8 bits; a stopped cut goes on; variation moves all alike."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from helpers import tiny
from votepose.data.augment import NONE, AugmentConfig
from votepose.data.loader import Batch, Source, TrainingSet
from votepose.data.toy import synthetic_dataset
from votepose.errors import VoteposeError
from votepose.grouping import GroupingConfig
from votepose.models.heads.roi_align import COLUMNS, ROWS, Detail, coarser, grid_shape
from votepose.models.posenet import PoseNet
from votepose.skeleton import COCO_17
from votepose.training.losses.refiner import LookTruth
from votepose.training.refiner_targets import Lesson, LookObjective
from votepose.training.roi_cache import CropObjective, CropStore, crop_loader, cut, varied


@pytest.fixture(scope="module")
def network() -> PoseNet:
    torch.manual_seed(0)
    return PoseNet(tiny.NETWORK).eval()


def pictures(count: int, augment: AugmentConfig = NONE) -> TrainingSet:
    data = synthetic_dataset(3, size=96, people=(1, 2))
    return TrainingSet([Source(data)], 96, augment, seed=0, length=count)


class Finder:
    """Whom a network finds, and what it told whenever it was asked."""

    def __init__(self, network: PoseNet) -> None:
        self.network, self.told = network, list[Lesson]()
        self.objective = LookObjective(COCO_17, GroupingConfig(presence_threshold=0.01), levels=2)

    def __call__(self, batch: Batch) -> Lesson:
        self.told.append(self.objective.lesson(self.network, batch))
        return self.told[-1]


def store(folder: Path, network: PoseNet) -> CropStore:
    return CropStore(folder, network.detailed, len(COCO_17))


def test_what_is_kept_is_what_was_cut(network: PoseNet, tmp_path: Path) -> None:
    find = Finder(network)
    cut(tmp_path, find, pictures(1), network.detailed, workers=0)
    (lesson,) = find.told
    somebody = lesson.truth.somebody
    kept = store(tmp_path, network)
    found = kept.lesson(range(len(kept)))
    chosen = found.truth.somebody
    assert chosen.sum() == somebody.sum() > 0
    torch.testing.assert_close(found.poses[chosen], lesson.poses[somebody])
    torch.testing.assert_close(found.truth.keypoints[chosen], lesson.truth.keypoints[somebody])
    for crop, original, (mean, spread) in zip(found.crops, lesson.crops, kept.ranges, strict=True):
        wanted = torch.maximum(torch.minimum(original[somebody], mean + 6.35 * spread), mean - 6.35 * spread)
        assert ((crop[chosen] - wanted).abs() <= 0.0251 * spread).all()  # half a step


def test_a_stopped_cut_goes_on_and_gives_the_same(
    network: PoseNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("votepose.training.roi_cache._PICTURES", 8)
    find = Finder(network)
    cut(tmp_path / "whole", find, pictures(18), network.detailed, workers=0)
    cut(tmp_path / "parts", find, pictures(16), network.detailed, workers=0)
    asked = len(find.told)
    cut(tmp_path / "parts", find, pictures(18), network.detailed, workers=0)
    assert len(find.told) == asked + 2
    one, other = (sorted((tmp_path / name).glob("people-*.npy")) for name in ("whole", "parts"))
    assert [path.name for path in one] == [path.name for path in other]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(one, other, strict=True))


def test_the_stream_of_lessons_is_a_shuffle_and_is_shared(network: PoseNet, tmp_path: Path) -> None:
    cut(tmp_path, Finder(network), pictures(12, AugmentConfig()), network.detailed, workers=0)
    kept = store(tmp_path, network)
    steps = len(kept) // 2
    alone = [lesson.poses for lesson in crop_loader(kept, 2, 0, 0, steps, rank=0, world=1)]
    everybody = kept.lesson(range(len(kept))).poses
    assert len(torch.cat([*alone, everybody]).unique(dim=0)) == len(everybody)
    assert len(torch.cat(alone).unique(dim=0)) == 2 * steps  # nobody twice
    shares = [[lesson.poses for lesson in crop_loader(kept, 2, 0, 0, steps // 2, rank, world=2)] for rank in (0, 1)]
    together = [x for pair in zip(*shares, strict=True) for x in pair]
    assert all(torch.equal(a, b) for a, b in zip(together, alone, strict=False))


def test_variation_moves_maps_poses_and_truth_alike() -> None:
    """Maps that hold their own coordinates: at a joint's new place they still show its old one."""
    details = (Detail(2, 2, 0.5), Detail(2, 4, 1), Detail(2, 16, 2), Detail(2, 32, 4))
    crops = []
    for detail in (*details, coarser(details)):
        rows, columns = grid_shape(detail.reduction)
        x, y = (torch.arange(columns) + 0.5) * detail.reduction, (torch.arange(rows) + 0.5) * detail.reduction
        crops.append(torch.stack([x[None].expand(rows, -1), y[:, None].expand(-1, columns)])[None].repeat(50, 1, 1, 1))
    points = torch.rand(50, 17, 2) * torch.tensor([8.0, 12.0]) + torch.tensor([8.0, 10.0])
    truth = LookTruth(
        torch.cat([points, torch.full((50, 17, 1), 2.0)], dim=-1),
        torch.full((50,), 9.0),
        torch.ones(50, dtype=torch.bool),
        torch.ones(50),
    )
    torch.manual_seed(0)
    changed = varied(Lesson([crop.clone() for crop in crops], points, truth))
    torch.testing.assert_close(changed.poses, changed.truth.keypoints[..., :2])
    assert ((changed.poses - points).norm(dim=-1) > 0.1).float().mean() > 0.9
    for crop, detail in zip(changed.crops, (*details, coarser(details)), strict=True):
        lit = (crop.std(dim=(2, 3)) > 0).all(dim=1)  # no channel of theirs was left out
        grid = 2 * changed.poses / torch.tensor([COLUMNS, ROWS]) - 1
        shown = torch.nn.functional.grid_sample(crop, grid[:, None], align_corners=False)[:, :, 0].transpose(1, 2)
        assert lit.sum() > 20
        torch.testing.assert_close(shown[lit], points[lit], atol=0.25 * detail.reduction, rtol=0)
    zoom = truth.sizes / changed.truth.sizes
    before, after = ((p[:, 0] - p[:, 1]).norm(dim=-1) for p in (points, changed.poses))
    torch.testing.assert_close(before / after, zoom, rtol=1e-3, atol=1e-3)


def test_it_learns_from_crops(network: PoseNet, tmp_path: Path) -> None:
    cut(tmp_path, Finder(network), pictures(6), network.detailed, workers=0)
    kept, objective = store(tmp_path, network), CropObjective(COCO_17)
    network.requires_grad_(False)
    assert network.second_look is not None
    network.second_look.requires_grad_(True)
    parts = objective(network, kept.lesson(range(len(kept))))
    parts["total"].backward()
    assert parts["total"].isfinite()
    assert all(p.grad is not None for p in network.second_look.heat.parameters())
    assert all(p.grad is None for p in network.backbone.parameters())


def test_crops_of_another_network_are_refused(network: PoseNet, tmp_path: Path) -> None:
    cut(tmp_path, Finder(network), pictures(1), network.detailed, workers=0)
    with pytest.raises(VoteposeError, match="of another network"):
        CropStore(tmp_path, network.detailed[1:], len(COCO_17))
    with pytest.raises(VoteposeError, match="holds no crops"):
        CropStore(tmp_path / "elsewhere", network.detailed, len(COCO_17))
