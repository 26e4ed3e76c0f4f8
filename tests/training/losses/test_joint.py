"""Teaching everything at once: every part has a gradient, each of its own losses, and the witness is told whole
pictures' truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers import tiny
from helpers.bodies import people_apart
from votepose.data.augment import NONE
from votepose.data.loader import Batch, Source, TrainingSet, collate
from votepose.data.toy import synthetic_dataset
from votepose.grouping import GroupingConfig
from votepose.models.heads.roi_align import LOGITS
from votepose.models.posenet import PoseNet
from votepose.skeleton import COCO_17
from votepose.training.losses.joint import WholeObjective
from votepose.training.losses.votes import ObjectiveConfig
from votepose.training.refiner_targets import LookObjective

LEVELS, SIDE = 2, 128
PARTS = ("backbone", "witness", "project", "presence", "transformer", "pointer", "vector", "second_look")


def objective(levels: int = LEVELS) -> WholeObjective:
    return WholeObjective(ObjectiveConfig(votes=16), COCO_17, GroupingConfig(presence_threshold=0.01), levels)


def drawn() -> Batch:
    data = TrainingSet([Source(synthetic_dataset(4, size=SIDE))], SIDE, NONE, 0, 2)
    return collate([data[0], data[1]])


@pytest.fixture
def network() -> PoseNet:
    torch.manual_seed(0)
    network = PoseNet(replace(tiny.NETWORK, witness=True))
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
def test_every_part_is_taught(network: PoseNet, mixed: bool) -> None:
    """In mixed precision, too, where weights that were cast to find people must not be taken for those that learn."""
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        parts = objective()(network, drawn())
    parts["total"].backward()
    assert parts["total"].isfinite()
    assert {"presence", "votes", "center", "witness", "places"} <= parts.keys()
    assert all(norm > 0 for norm in norms(network).values())


def test_a_frozen_backbone_is_not_asked_what_it_believes(network: PoseNet) -> None:
    network.backbone.requires_grad_(False)
    parts = objective()(network, drawn())
    parts["total"].backward()
    assert "center" not in parts
    assert {part for part, norm in norms(network).items() if norm > 0} == set(PARTS) - {"backbone"}


def test_what_votes_want_reaches_neither_backbone_nor_witness(network: PoseNet) -> None:
    objective().votes(network, drawn())["total"].backward()
    silent = {part for part, norm in norms(network).items() if norm == 0}
    assert silent == {"backbone", "witness", "second_look"}


def test_the_look_teaches_its_witness(network: PoseNet) -> None:
    whole, batch = objective(), drawn()
    said = [network.testimony(batch.images.float())]
    network.eval()
    lesson = LookObjective(COCO_17, GroupingConfig(presence_threshold=0.01), 1).lesson(network, batch, said)
    assert network.second_look is not None
    look = network.second_look(lesson.crops, lesson.poses, whole.looks.kappas)
    look.heat.square().sum().backward()
    assert {part for part, norm in norms(network).items() if norm > 0} == {"witness", "second_look"}


def people(height: float) -> Tensor:
    """(1, 17, 3) a labelled person so many pixels tall, in the middle of a picture of 512 pixels."""
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


def loss_of(batch: Batch, level: int, told: bool) -> float:
    """What a witness loses who is silent on all levels of three, but for the truth on one if it is `told` there."""
    logits = [torch.full((1, 17, 128 >> i, 128 >> i), -12.0) for i in range(3)]
    if told:
        for joint, (x, y) in enumerate((batch.keypoints[0, :, :2] / (4 * 2**level)).long()):
            logits[level][0, joint, y, x] = 12
    return float(objective(3)._witness([[x / LOGITS] for x in logits], batch, 4)["total"])


@pytest.mark.parametrize(("height", "levels"), [(80, {0, 1}), (300, {0, 1, 2}), (500, {1, 2})])
def test_a_witness_is_told_of_people_whose_crops_it_may_be_in(height: float, levels: set[int]) -> None:
    batch = batch_of(people(height))
    gains = {i for i in range(3) if loss_of(batch, i, told=True) < loss_of(batch, i, told=False) - 0.1}
    assert gains == levels


def test_silence_about_people_of_other_sizes_costs_nothing() -> None:
    small = batch_of(people(40))
    logits = torch.full((1, 17, 32, 32), 2.0)  # somebody is seen everywhere, on the coarsest level
    silence = torch.full_like(logits, -12.0)
    near = [[torch.full((1, 17, 128, 128), -12.0)], [torch.full((1, 17, 64, 64), -12.0)]]
    loud = objective(3)._witness([*near, [logits / LOGITS]], small, 4)["total"]
    quiet = objective(3)._witness([*near, [silence / LOGITS]], small, 4)["total"]
    everywhere = loud - quiet
    inside = torch.full_like(logits, -12.0)
    x, y, width, height = (small.boxes[0] / 16).tolist()
    inside[:, :, int(y) + 1 : int(y + height) - 1, int(x) + 1 : int(x + width) - 1] = 2.0
    there = objective(3)._witness([*near, [inside / LOGITS]], small, 4)["total"]
    assert there - quiet == pytest.approx(0.0, abs=1e-4)
    assert everywhere > 1


def test_many_people_make_a_round_number_and_somebody_comes_first() -> None:
    somebody = torch.arange(200) < 50
    chosen = LookObjective._chosen(somebody, pictures=10)
    assert len(chosen) == 64
    assert somebody[chosen].sum() == 50
    assert len(LookObjective._chosen(somebody, pictures=100)) == 192
    assert LookObjective._chosen(somebody[:40], pictures=2).tolist() == list(range(40))
