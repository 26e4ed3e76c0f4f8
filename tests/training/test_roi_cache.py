"""The cache of regions: it keeps what was cut, to 8 bits; a stopped cut continues; jitter moves everything alike."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import torch

from helpers import tiny
from votepose.data.augment_config import NONE, AugmentConfig
from votepose.data.loader import Batch, Source, TrainingSet
from votepose.data.toy import synthetic_dataset
from votepose.errors import VoteposeError
from votepose.grouping import GroupingConfig
from votepose.models.features import ROI_COLUMNS, ROI_ROWS, FeatureSpec, context_feature, roi_shape
from votepose.models.posenet import PoseNet
from votepose.skeleton import COCO_17
from votepose.training.refiner_targets import RefinerBatch, RefinerTargets
from votepose.training.roi_cache import RoiCache, fill_cache, jittered, roi_loader
from votepose.training.stages.refiner import CachedRefinerStage, RefinerStage


@pytest.fixture(scope="module")
def network() -> PoseNet:
    torch.manual_seed(0)
    return PoseNet(tiny.NETWORK).eval()


def pictures(count: int, augment: AugmentConfig = NONE) -> TrainingSet:
    data = synthetic_dataset(3, size=96, people=(1, 2))
    return TrainingSet([Source(data)], 96, augment, seed=0, length=count)


class Finder:
    """Finds people with a network, and remembers them."""

    def __init__(self, network: PoseNet) -> None:
        self.network, self.found = network, list[RefinerBatch]()
        self.stage = RefinerStage(COCO_17, GroupingConfig(presence_threshold=0.01), levels=2)

    def __call__(self, batch: Batch) -> RefinerBatch:
        self.found.append(self.stage.refiner_batch(self.network, batch))
        return self.found[-1]


def store(folder: Path, network: PoseNet) -> RoiCache:
    return RoiCache(folder, network.feature_specs, len(COCO_17))


def test_what_is_kept_is_what_was_cut(network: PoseNet, tmp_path: Path) -> None:
    find = Finder(network)
    fill_cache(tmp_path, find, pictures(1), network, ["data"], workers=0)
    (batch,) = find.found
    is_person = batch.targets.is_person
    kept = store(tmp_path, network)
    found = kept.batch(range(len(kept)))
    chosen = found.targets.is_person
    assert chosen.sum() == is_person.sum() > 0
    torch.testing.assert_close(found.poses[chosen], batch.poses[is_person])
    torch.testing.assert_close(found.targets.keypoints[chosen], batch.targets.keypoints[is_person])
    for roi, original, (mean, spread) in zip(found.rois, batch.rois, kept.ranges, strict=True):
        wanted = torch.maximum(torch.minimum(original[is_person], mean + 6.35 * spread), mean - 6.35 * spread)
        assert ((roi[chosen] - wanted).abs() <= 0.0251 * spread).all()  # half a step


def test_a_stopped_cut_continues_and_gives_the_same(
    network: PoseNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("votepose.training.roi_cache._PICTURES", 8)
    find = Finder(network)
    fill_cache(tmp_path / "whole", find, pictures(18), network, ["data"], workers=0)
    fill_cache(tmp_path / "parts", find, pictures(16), network, ["data"], workers=0)
    calls = len(find.found)
    fill_cache(tmp_path / "parts", find, pictures(18), network, ["data"], workers=0)
    assert len(find.found) == calls + 2
    one, other = (sorted((tmp_path / name).glob("people-*.npy")) for name in ("whole", "parts"))
    assert [path.name for path in one] == [path.name for path in other]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(one, other, strict=True))


def test_the_stream_of_batches_is_a_shuffle_and_is_shared(network: PoseNet, tmp_path: Path) -> None:
    fill_cache(tmp_path, Finder(network), pictures(12, AugmentConfig()), network, ["data"], workers=0)
    kept = store(tmp_path, network)
    steps = len(kept) // 2
    alone = [batch.poses for batch in roi_loader(kept, 2, 0, 0, steps, rank=0, world=1)]
    everyone = kept.batch(range(len(kept))).poses
    assert len(torch.cat([*alone, everyone]).unique(dim=0)) == len(everyone)
    assert len(torch.cat(alone).unique(dim=0)) == 2 * steps  # no person twice
    shares = [[batch.poses for batch in roi_loader(kept, 2, 0, 0, steps // 2, rank, world=2)] for rank in (0, 1)]
    together = [x for pair in zip(*shares, strict=True) for x in pair]
    assert all(torch.equal(a, b) for a, b in zip(together, alone, strict=False))


def test_jitter_moves_maps_poses_and_targets_alike() -> None:
    """Maps that hold their own coordinates: at a joint's new place they still show its old one."""
    specs = (FeatureSpec(2, 2, 0.5), FeatureSpec(2, 4, 1), FeatureSpec(2, 16, 2), FeatureSpec(2, 32, 4))
    rois = []
    for spec in (*specs, context_feature(specs)):
        rows, columns = roi_shape(spec.reduction)
        x, y = (torch.arange(columns) + 0.5) * spec.reduction, (torch.arange(rows) + 0.5) * spec.reduction
        rois.append(torch.stack([x[None].expand(rows, -1), y[:, None].expand(-1, columns)])[None].repeat(50, 1, 1, 1))
    points = torch.rand(50, 17, 2) * torch.tensor([8.0, 12.0]) + torch.tensor([8.0, 10.0])
    targets = RefinerTargets(
        torch.cat([points, torch.full((50, 17, 1), 2.0)], dim=-1),
        torch.full((50,), 9.0),
        torch.ones(50, dtype=torch.bool),
        torch.ones(50),
    )
    torch.manual_seed(0)
    changed = jittered(RefinerBatch([roi.clone() for roi in rois], points, targets))
    torch.testing.assert_close(changed.poses, changed.targets.keypoints[..., :2])
    assert ((changed.poses - points).norm(dim=-1) > 0.1).float().mean() > 0.9
    for roi, spec in zip(changed.rois, (*specs, context_feature(specs)), strict=True):
        lit = (roi.std(dim=(2, 3)) > 0).all(dim=1)  # none of their channels was dropped
        grid = 2 * changed.poses / torch.tensor([ROI_COLUMNS, ROI_ROWS]) - 1
        shown = torch.nn.functional.grid_sample(roi, grid[:, None], align_corners=False)[:, :, 0].transpose(1, 2)
        assert lit.sum() > 20
        torch.testing.assert_close(shown[lit], points[lit], atol=0.25 * spec.reduction, rtol=0)
    zoom = targets.sizes / changed.targets.sizes
    before, after = ((p[:, 0] - p[:, 1]).norm(dim=-1) for p in (points, changed.poses))
    torch.testing.assert_close(before / after, zoom, rtol=1e-3, atol=1e-3)


def test_the_refiner_trains_on_kept_regions(network: PoseNet, tmp_path: Path) -> None:
    fill_cache(tmp_path, Finder(network), pictures(6), network, ["data"], workers=0)
    kept, stage = store(tmp_path, network), CachedRefinerStage(tmp_path, COCO_17, GroupingConfig(), levels=2)
    stage.select(network)
    assert network.refiner is not None
    parts = stage(network, kept.batch(range(len(kept))))
    parts["total"].backward()
    assert parts["total"].isfinite()
    assert all(p.grad is not None for p in network.refiner.heat.parameters())
    assert all(p.grad is None for p in network.backbone.parameters())


def test_regions_of_another_network_are_refused(network: PoseNet, tmp_path: Path) -> None:
    fill_cache(tmp_path, Finder(network), pictures(1), network, ["data"], workers=0)
    with pytest.raises(VoteposeError, match="from another network"):
        RoiCache(tmp_path, network.feature_specs[1:], len(COCO_17))
    with pytest.raises(VoteposeError, match="holds no regions"):
        RoiCache(tmp_path / "elsewhere", network.feature_specs, len(COCO_17))


def test_regions_are_not_mixed_with_those_of_other_weights_or_images(
    network: PoseNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("votepose.training.roi_cache._PICTURES", 2)
    fill_cache(tmp_path, Finder(network), pictures(2), network, ["data"], workers=0)
    assert network.refiner is not None
    with torch.no_grad():
        network.refiner.pose_prior_weight += 1  # only the refiner may change
    find = Finder(network)
    fill_cache(tmp_path, find, pictures(2, AugmentConfig()), network, ["other"], workers=0)
    assert not find.found
    assert "cut before from data" in capsys.readouterr().out
    with pytest.raises(VoteposeError, match=r"holds regions made with augmentation .*another --crops"):
        fill_cache(tmp_path, find, pictures(4, AugmentConfig()), network, ["data"], workers=0)
    with torch.no_grad():
        network.project[0].weight += 1
    with pytest.raises(VoteposeError, match="made with weights"):
        fill_cache(tmp_path, find, pictures(2), network, ["data"], workers=0)
    (tmp_path / "settings.json").unlink()
    with pytest.raises(VoteposeError, match="was not written by an earlier run"):
        fill_cache(tmp_path, find, pictures(2), network, ["data"], workers=0)


def test_several_processes_check_regions_as_one_does_but_cut_none(network: PoseNet, tmp_path: Path) -> None:
    find = Finder(network)
    with pytest.raises(VoteposeError, match=r"lacks regions .*--devices 1"):
        fill_cache(tmp_path / "new", find, pictures(1), network, ["data"], workers=0, processes=2)
    assert not (tmp_path / "new").exists()
    fill_cache(tmp_path, find, pictures(1), network, ["data"], workers=0)
    fill_cache(tmp_path, find, pictures(1), network, ["data"], workers=0, processes=2)
    assert len(find.found) == 1
    torch.manual_seed(1)
    with pytest.raises(VoteposeError, match="made with weights"):
        fill_cache(tmp_path, find, pictures(1), PoseNet(tiny.NETWORK), ["data"], workers=0, processes=2)


def test_images_without_people_do_not_spoil_the_regions(
    network: PoseNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("votepose.training.roi_cache._PICTURES", 1)
    find, nobody = Finder(network), torch.zeros(0, dtype=torch.long)

    def find_later(batch: Batch) -> RefinerBatch:
        found = find(batch)
        if len(find.found) > 1:
            return found
        columns = (getattr(found.targets, field.name)[nobody] for field in fields(RefinerTargets))
        return RefinerBatch([roi[nobody] for roi in found.rois], found.poses[nobody], RefinerTargets(*columns))

    fill_cache(tmp_path, find_later, pictures(1), network, ["data"], workers=0)
    with pytest.raises(VoteposeError, match="holds no regions"):
        store(tmp_path, network)
    fill_cache(tmp_path, find_later, pictures(3), network, ["data"], workers=0)
    kept = store(tmp_path, network)
    assert all(roi.isfinite().all() for roi in kept.batch(range(len(kept))).rois)
