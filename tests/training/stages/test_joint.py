"""Training everything at once: every part has a gradient, of its own losses, and the auxiliary backbone learns whole
images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers import tiny
from helpers.bodies import people_apart
from votepose.data.augment_config import NONE
from votepose.data.loader import Batch, Source, TrainingSet, collate
from votepose.data.toy import synthetic_dataset
from votepose.grouping import GroupingConfig
from votepose.models.features import HEATMAP_LOGIT_SCALE
from votepose.models.posenet import PoseNet
from votepose.skeleton import COCO_17
from votepose.training.losses.aux_heatmaps import aux_heatmap_losses
from votepose.training.losses.votes import VoteLossConfig
from votepose.training.stages.joint import JointStage
from votepose.training.stages.refiner import RefinerStage
from votepose.training.stages.votes import cast_votes

LEVELS, SIDE = 2, 128
PARTS = ("backbone", "aux_backbone", "project", "presence", "transformer", "proposal_attention", "vector", "refiner")


def stage() -> JointStage:
    return JointStage(VoteLossConfig(votes=16), COCO_17, GroupingConfig(presence_threshold=0.01), LEVELS)


def drawn() -> Batch:
    data = TrainingSet([Source(synthetic_dataset(4, size=SIDE))], SIDE, NONE, 0, 2)
    return collate([data[0], data[1]])


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> PoseNet:
    tiny.refine_small_regions(monkeypatch)
    torch.manual_seed(0)
    network = PoseNet(replace(tiny.NETWORK, aux_backbone=True))
    network.requires_grad_(True)
    return network


def norms(network: PoseNet) -> dict[str, float]:
    """Of the gradient of each part."""
    norms = dict.fromkeys(PARTS, 0.0)
    for name, parameter in network.named_parameters():
        part = name.split(".")[0]
        if parameter.grad is not None and part in norms:
            norms[part] += float(parameter.grad.norm())
    return norms


@pytest.mark.parametrize("mixed", [False, True])
def test_every_part_is_trained(network: PoseNet, mixed: bool) -> None:
    """In mixed precision, too, where weights that were cast without gradient must not be reused."""
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        parts = stage()(network, drawn())
    parts["total"].backward()
    assert parts["total"].isfinite()
    assert {"presence", "votes", "center", "aux", "places"} <= parts.keys()
    assert all(norm > 0 for norm in norms(network).values())


def test_a_frozen_backbone_has_no_losses_of_its_own(network: PoseNet) -> None:
    network.backbone.requires_grad_(False)
    parts = stage()(network, drawn())
    parts["total"].backward()
    assert "center" not in parts
    assert {part for part, norm in norms(network).items() if norm > 0} == set(PARTS) - {"backbone"}


def test_the_votes_losses_reach_neither_backbone(network: PoseNet) -> None:
    joint, batch = stage(), drawn()
    maps = network.encode_frozen(batch.images)
    targets, votes, owners = cast_votes(network, maps, batch, joint.config, joint.refiner.kappas)
    joint.votes(maps.presence, votes, owners, targets)["total"].backward()
    assert {part for part, norm in norms(network).items() if norm == 0} == {"backbone", "aux_backbone", "refiner"}


def test_the_refiner_trains_the_auxiliary_backbone(network: PoseNet) -> None:
    refiner, batch = RefinerStage(COCO_17, GroupingConfig(presence_threshold=0.01), 1), drawn()
    aux = [network.aux_features(batch.images.float())]
    network.eval()
    refiner_batch = refiner.refiner_batch(network, batch, aux)
    assert network.refiner is not None
    refined = network.refiner(refiner_batch.rois, refiner_batch.poses, refiner.kappas)
    refined.heat.square().sum().backward()
    assert {part for part, norm in norms(network).items() if norm > 0} == {"aux_backbone", "refiner"}


def people(height: float) -> Tensor:
    """(1, 17, 3) a labelled person of this height in pixels, in the middle of an image of 512 pixels."""
    pose = torch.from_numpy(people_apart(1, np.random.default_rng(0), columns=1))[0].float()
    pose = (pose - pose.amin(dim=0)) / (pose.amax(dim=0) - pose.amin(dim=0))[1] * height
    pose = pose - (pose.amax(dim=0) + pose.amin(dim=0)) / 2 + 256
    return torch.cat([pose, torch.full((17, 1), 2.0)], dim=-1)[None]


def batch_of(keypoints: Tensor) -> Batch:
    low, high = keypoints[..., :2].amin(dim=1), keypoints[..., :2].amax(dim=1)
    boxes = torch.cat([low, high - low], dim=-1)
    return Batch(
        torch.zeros(1, 3, 512, 512, dtype=torch.uint8),
        keypoints,
        boxes,
        boxes[:, 2:].prod(-1),
        torch.zeros(len(keypoints), dtype=torch.long),
        torch.zeros(1, 128, 128) > 0,
        torch.ones(1) > 0,
    )


def aux_loss(batch: Batch, *logits: Tensor) -> float:
    """Of heatmaps (B, 17, h, w) of logits on each level."""
    pyramid = [[x / HEATMAP_LOGIT_SCALE] for x in logits]
    return float(aux_heatmap_losses(pyramid, batch, 4, VoteLossConfig().incomplete)["total"])


def loss_of(batch: Batch, level: int, right: bool) -> float:
    """Of heatmaps that are empty on all three levels, except that they may be `right` on one."""
    logits = [torch.full((1, 17, 128 >> i, 128 >> i), -12.0) for i in range(3)]
    if right:
        for joint, (x, y) in enumerate((batch.keypoints[0, :, :2] / (4 * 2**level)).long()):
            logits[level][0, joint, y, x] = 12
    return aux_loss(batch, *logits)


@pytest.mark.parametrize(("height", "levels"), [(80, {0, 1}), (300, {0, 1, 2}), (500, {1, 2})])
def test_each_level_learns_the_people_whose_regions_are_cut_from_it(height: float, levels: set[int]) -> None:
    batch = batch_of(people(height))
    gains = {i for i in range(3) if loss_of(batch, i, right=True) < loss_of(batch, i, right=False) - 0.1}
    assert gains == levels


def test_people_of_other_sizes_cost_nothing() -> None:
    small = batch_of(people(40))
    logits = torch.full((1, 17, 32, 32), 2.0)  # joints everywhere, on the coarsest level
    empty = torch.full_like(logits, -12.0)
    near = torch.full((1, 17, 128, 128), -12.0), torch.full((1, 17, 64, 64), -12.0)
    quiet = aux_loss(small, *near, empty)
    everywhere = aux_loss(small, *near, logits) - quiet
    inside = torch.full_like(logits, -12.0)
    x, y, width, height = (small.boxes[0] / 16).tolist()
    inside[:, :, int(y) + 1 : int(y + height) - 1, int(x) + 1 : int(x + width) - 1] = 2.0
    assert aux_loss(small, *near, inside) - quiet == pytest.approx(0.0, abs=1e-4)
    assert everywhere > 1


def test_many_poses_make_a_round_number_and_people_come_first() -> None:
    is_person = torch.arange(200) < 50
    chosen = RefinerStage._chosen(is_person, pictures=10)
    assert len(chosen) == 64
    assert is_person[chosen].sum() == 50
    assert len(RefinerStage._chosen(is_person, pictures=100)) == 192
    assert RefinerStage._chosen(is_person[:40], pictures=2).tolist() == list(range(40))
