"""Teaching a prior: what the losses ask of MoveNet's heads is what its decoding reads back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers import tiny
from helpers.bodies import KAPPAS, people_apart
from votepose.data.loader import Batch
from votepose.models.backbones.movenet import HEADS, MoveNet, scaled_output
from votepose.models.posenet import PoseNet
from votepose.training.losses.centernet import PriorObjective, paint_gaussians

SIDE, STRIDE = 64, 4  # cells, pixels


def people(count: int = 4) -> Tensor:
    """(N, 17, 3) labelled joints in cells, the people far apart."""
    poses = torch.from_numpy(people_apart(count, np.random.default_rng(0), columns=2))
    poses = 4 + poses / poses.amax() * (SIDE - 8)
    return torch.cat([poses, torch.full((*poses.shape[:2], 1), 2.0)], dim=-1).float()


def batch_of(keypoints: Tensor) -> Batch:
    """People of one picture."""
    low, high = keypoints[..., :2].amin(1), keypoints[..., :2].amax(1)
    boxes = torch.cat([low, high - low], dim=-1) * STRIDE
    side = SIDE * STRIDE
    return Batch(
        torch.zeros(1, 3, side, side, dtype=torch.uint8),
        keypoints * torch.tensor([STRIDE, STRIDE, 1]),
        boxes,
        boxes[:, 2:].prod(-1),
        torch.zeros(len(keypoints), dtype=torch.long),
        torch.zeros(1, SIDE, SIDE) > 0,
        torch.ones(1) > 0,
    )


def answers(batch: Batch) -> dict[str, Tensor]:
    """Head outputs that say just what is true, at every cell where they are asked and at their neighbours."""
    outputs = {name: torch.zeros(1, channels, SIDE, SIDE) for name, channels in HEADS.items()}
    outputs["center"] -= 12
    outputs["kpt_heatmap"] -= 12
    for joints, box in zip(batch.keypoints[..., :2] / STRIDE, batch.boxes / STRIDE, strict=True):
        x, y = (box[:2] + box[2:] / 2).floor().long().tolist()
        outputs["center"][0, 0, y, x] = 12
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                corner = torch.tensor([x + dx, y + dy])
                outputs["kpt_regress"][0, :, y + dy, x + dx] = (joints - corner).flip(-1).flatten()
                outputs["box_scale"][0, :, y + dy, x + dx] = box[2:].flip(-1)
                for k, joint in enumerate(joints):
                    cell = joint.floor().long() + torch.tensor([dx, dy])
                    offset = (joint - cell).flip(-1)
                    outputs["kpt_offset"][0, 2 * k : 2 * k + 2, cell[1], cell[0]] = offset
        for k, joint in enumerate(joints):
            outputs["kpt_heatmap"][0, k, int(joint[1]), int(joint[0])] = 12
    return outputs


@pytest.fixture
def network() -> PoseNet:
    torch.manual_seed(0)
    return PoseNet(tiny.NETWORK)


def judge(
    network: PoseNet,
    batch: Batch,
    outputs: dict[str, Tensor],
    monkeypatch: pytest.MonkeyPatch,
    objective: PriorObjective | None = None,
) -> dict[str, Tensor]:
    monkeypatch.setattr(MoveNet, "head_outputs", lambda self, pyramid: ({}, outputs))
    return (objective or PriorObjective(torch.from_numpy(KAPPAS)))(network, batch)


def test_right_answers_cost_nothing_and_are_read_back_as_the_people(
    network: PoseNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    keypoints = people()
    batch = batch_of(keypoints)
    outputs = answers(batch)
    parts = judge(network, batch, outputs, monkeypatch)
    assert {name for name, value in parts.items() if value > 1e-3} == set()
    features = torch.cat([scaled_output(name, output) for name, output in outputs.items()], dim=1)
    prior = MoveNet().prior(features)
    found = prior.poses[0, prior.logits[0] > 0]
    assert len(found) == len(keypoints)
    distance = (found[:, None] - keypoints[None, ..., :2]).norm(dim=-1).mean(-1)
    assert (distance.amin(dim=0) < 1e-3).all()


@pytest.mark.parametrize("head", [name for name in HEADS if name != "box_offset"])
def test_each_wrong_answer_costs(network: PoseNet, monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    batch = batch_of(people())
    outputs = answers(batch)
    right = judge(network, batch, outputs, monkeypatch)["total"]
    wrong = judge(network, batch, outputs | {head: outputs[head].roll(3, dims=-1)}, monkeypatch)["total"]
    assert wrong > right + 0.05


def test_unlabelled_joints_and_ignored_regions_teach_nothing(network: PoseNet, monkeypatch: pytest.MonkeyPatch) -> None:
    keypoints = people()
    keypoints[:, 3, 2] = 0
    batch = batch_of(keypoints)
    other = batch.keypoints.clone()
    other[:, 3, :2] = 7.0
    outputs = {name: torch.zeros(1, n, SIDE, SIDE, requires_grad=True) for name, n in HEADS.items()}
    first, second = (
        judge(network, replace(batch, keypoints=k), outputs, monkeypatch) for k in (batch.keypoints, other)
    )
    assert {name: value.item() for name, value in first.items()} == {name: v.item() for name, v in second.items()}
    ignored = replace(batch, ignore=torch.ones(1, SIDE, SIDE) > 0)
    heatmap = judge(network, ignored, outputs, monkeypatch)["center"]
    (gradient,) = torch.autograd.grad(heatmap, outputs["center"])
    assert int((gradient != 0).sum()) <= len(keypoints)  # the centres themselves


def test_empty_cells_weigh_less_where_people_may_be_unlabelled(
    network: PoseNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = batch_of(people())
    outputs = {name: torch.zeros(1, n, SIDE, SIDE) for name, n in HEADS.items()}
    known = judge(network, batch, outputs, monkeypatch)["center"]
    unknown = judge(network, replace(batch, complete=torch.zeros(1) > 0), outputs, monkeypatch)["center"]
    assert unknown < 0.2 * known


def test_a_picture_of_nobody_is_bearable(network: PoseNet) -> None:
    batch = batch_of(people()[:0])
    total = PriorObjective(torch.from_numpy(KAPPAS))(network, batch)["total"]
    total.backward()
    assert total.isfinite()


def test_a_gaussian_is_one_on_its_point_and_falls_with_distance() -> None:
    points, images, channels = torch.tensor([[5.5, 6.2], [9.1, 6.9]]), torch.tensor([0, 0]), torch.tensor([1, 1])
    heat = paint_gaussians(points, images, channels, torch.tensor([1.0, 2.0]), torch.Size((2, 3, 16, 16)))
    assert heat[0, 1, 6, 5] == heat[0, 1, 6, 9] == 1
    assert heat[0, 1, 6, 4] == pytest.approx(np.exp(-0.5))
    assert heat[0, 1, 6, 7] == pytest.approx(np.exp(-0.5))  # the wider of the two
    assert heat[1].sum() == heat[0, 0].sum() == heat[0, 2].sum() == 0
