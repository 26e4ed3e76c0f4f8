"""The losses of MoveNet's heads: what they aim at is what its decoding reads back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers.bodies import KAPPAS, people_apart
from votepose.data.loader import Batch
from votepose.models.backbones.movenet import HEADS, MoveNet, scaled_output
from votepose.training.losses.centernet import CenterNetCriterion

SIDE, STRIDE = 64, 4  # cells, pixels


def people(count: int = 4) -> Tensor:
    """(N, 17, 3) labelled joints in cells, the people far apart."""
    poses = torch.from_numpy(people_apart(count, np.random.default_rng(0), columns=2))
    poses = 4 + poses / poses.amax() * (SIDE - 8)
    return torch.cat([poses, torch.full((*poses.shape[:2], 1), 2.0)], dim=-1).float()


def batch_of(keypoints: Tensor) -> Batch:
    """People of one image."""
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


def right_outputs(batch: Batch) -> dict[str, Tensor]:
    """Head outputs that are exactly right, at every cell that is read and at its neighbours."""
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


def judge(batch: Batch, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return CenterNetCriterion(torch.from_numpy(KAPPAS))(outputs, batch, STRIDE)


def test_right_outputs_cost_nothing_and_are_read_back_as_the_people() -> None:
    keypoints = people()
    batch = batch_of(keypoints)
    outputs = right_outputs(batch)
    parts = judge(batch, outputs)
    assert {name for name, value in parts.items() if value > 1e-3} == set()
    features = torch.cat([scaled_output(name, output) for name, output in outputs.items()], dim=1)
    proposals = MoveNet().proposals(features)
    found = proposals.poses[0, proposals.logits[0] > 0]
    assert len(found) == len(keypoints)
    distance = (found[:, None] - keypoints[None, ..., :2]).norm(dim=-1).mean(-1)
    assert (distance.amin(dim=0) < 1e-3).all()


@pytest.mark.parametrize("head", [name for name in HEADS if name != "box_offset"])
def test_each_wrong_output_costs(head: str) -> None:
    batch = batch_of(people())
    outputs = right_outputs(batch)
    right = judge(batch, outputs)["total"]
    wrong = judge(batch, outputs | {head: outputs[head].roll(3, dims=-1)})["total"]
    assert wrong > right + 0.05


def test_unlabelled_joints_and_ignored_regions_do_not_count() -> None:
    keypoints = people()
    keypoints[:, 3, 2] = 0
    batch = batch_of(keypoints)
    other = batch.keypoints.clone()
    other[:, 3, :2] = 7.0
    outputs = {name: torch.zeros(1, n, SIDE, SIDE, requires_grad=True) for name, n in HEADS.items()}
    first, second = (judge(replace(batch, keypoints=k), outputs) for k in (batch.keypoints, other))
    assert {name: value.item() for name, value in first.items()} == {name: v.item() for name, v in second.items()}
    ignored = replace(batch, ignore=torch.ones(1, SIDE, SIDE) > 0)
    heatmap = judge(ignored, outputs)["center"]
    (gradient,) = torch.autograd.grad(heatmap, outputs["center"])
    assert int((gradient != 0).sum()) <= len(keypoints)  # the centres themselves


def test_empty_cells_weigh_less_where_people_may_be_unlabelled() -> None:
    batch = batch_of(people())
    outputs = {name: torch.zeros(1, n, SIDE, SIDE) for name, n in HEADS.items()}
    known = judge(batch, outputs)["center"]
    unknown = judge(replace(batch, complete=torch.zeros(1) > 0), outputs)["center"]
    assert unknown < 0.2 * known


def test_a_picture_without_people_is_bearable() -> None:
    outputs = {name: torch.zeros(1, n, SIDE, SIDE, requires_grad=True) for name, n in HEADS.items()}
    total = judge(batch_of(people()[:0]), outputs)["total"]
    total.backward()
    assert total.isfinite()
