"""The losses of keypoint maps: what they aim at is what `find_peaks` reads back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers.bodies import KAPPAS, people_apart
from votepose.data.loader import Batch
from votepose.models.features import KeypointMaps
from votepose.models.heads.keypoint_maps import FINER, KeypointMapHead, find_peaks
from votepose.training.losses.keypoint_maps import KeypointMapCriterion

SIDE, STRIDE = 48, 4  # cells of the maps, pixels


def batch_of_two() -> Batch:
    """Two people in the first of two images, one in the second."""
    poses = torch.from_numpy(people_apart(2, np.random.default_rng(0), columns=2)).float()
    poses = STRIDE * (3 + poses / poses.amax() * (SIDE - 6))
    poses = torch.cat([poses, poses[:1] + 9])
    low, high = poses.amin(1), poses.amax(1)
    boxes = torch.cat([low, high - low], dim=-1)
    side = SIDE * STRIDE
    return Batch(
        torch.zeros(2, 3, side, side, dtype=torch.uint8),
        torch.cat([poses, torch.full((3, 17, 1), 2.0)], dim=-1),
        boxes,
        boxes[:, 2:].prod(-1),
        torch.tensor([0, 0, 1]),
        torch.zeros(2, SIDE, SIDE) > 0,
        torch.ones(2) > 0,
    )


def maps_of(level: float) -> KeypointMaps:
    logits, offsets = torch.full((2, 17, SIDE, SIDE), level), torch.zeros(2, 17, 2, SIDE, SIDE)
    return KeypointMaps(logits.requires_grad_(), offsets.requires_grad_())


def right_maps(batch: Batch) -> KeypointMaps:
    """Maps that are exactly right, at every joint's cell and beside it."""
    logits, offsets = torch.full((2, 17, SIDE, SIDE), -12.0), torch.zeros(2, 17, 2, SIDE, SIDE)
    for image, joints in zip(batch.image_index, batch.keypoints[..., :2] / STRIDE, strict=True):
        for k, joint in enumerate(joints):
            x, y = joint.floor().long().tolist()
            logits[image, k, y, x] = 12
            for dx, dy in np.ndindex(3, 3):
                cell = torch.tensor([x + dx - 1, y + dy - 1])
                offsets[image, k, :, cell[1], cell[0]] = joint - cell - 0.5
    return KeypointMaps(logits, offsets)


def judge(maps: KeypointMaps, batch: Batch, incomplete: float = 0.3) -> dict[str, Tensor]:
    return KeypointMapCriterion(torch.from_numpy(KAPPAS), incomplete)(maps, batch)


def gradient(maps: KeypointMaps, batch: Batch, incomplete: float = 0.3) -> Tensor:
    (found,) = torch.autograd.grad(judge(maps, batch, incomplete)["total"], maps.logits)
    return found


def test_right_maps_cost_nothing_and_are_read_back_as_the_joints() -> None:
    batch = batch_of_two()
    maps = right_maps(batch)
    parts = judge(maps, batch)
    assert {name for name, value in parts.items() if value > 1e-4} == set()
    places, likelihoods = find_peaks(maps)
    for image, joints in zip(batch.image_index, batch.keypoints[..., :2] / STRIDE / FINER, strict=True):
        distance = (places[image] - joints[:, None]).norm(dim=-1)
        assert (distance[likelihoods[image] > 0.5].reshape(17, -1).amin(dim=1) < 1e-3).all()


@pytest.mark.parametrize("part", ["logits", "offsets"])
def test_each_wrong_map_costs(part: str) -> None:
    batch = batch_of_two()
    maps = right_maps(batch)
    wrong = replace(maps, **{part: getattr(maps, part).roll(2, dims=-1)})
    assert judge(wrong, batch)["total"] > judge(maps, batch)["total"] + 0.05


def test_likelihoods_are_pushed_up_on_joints_and_down_elsewhere() -> None:
    batch = batch_of_two()
    grad = gradient(maps_of(-2.0), batch)
    for image, joints in zip(batch.image_index, (batch.keypoints[..., :2] / STRIDE).long(), strict=True):
        for k, (x, y) in enumerate(joints.tolist()):
            assert grad[image, k, y, x] < 0
    assert (grad[:, :, 0, SIDE - 1] > 0).all()


def test_unlabelled_joints_are_punished_outside_their_person_only() -> None:
    batch = batch_of_two()
    batch.keypoints[2, 3, 2] = 0
    grad = gradient(maps_of(-2.0), batch)
    x, y = (batch.boxes[2, :2] / STRIDE).floor().long().tolist()
    right, bottom = ((batch.boxes[2, :2] + batch.boxes[2, 2:]) / STRIDE).ceil().long().tolist()
    assert not grad[1, 3, y:bottom, x:right].any()
    assert (grad[1, 3, 0] > 0).all()
    assert grad[1, 4, y:bottom, x:right].all()  # that joint alone
    assert grad[0, 3].all()  # that image alone
    other = batch.keypoints.clone()
    other[2, 3, :2] = 7.0
    assert judge(maps_of(-2.0), batch) == judge(maps_of(-2.0), replace(batch, keypoints=other))


def test_ignored_regions_teach_nothing_but_labelled_joints_in_them_do() -> None:
    batch = replace(batch_of_two(), ignore=torch.ones(2, SIDE, SIDE) > 0)
    grad = gradient(maps_of(-2.0), batch)
    assert int((grad != 0).sum()) == 3 * 17
    assert (grad <= 0).all()


def test_empty_cells_weigh_less_where_people_may_be_unlabelled() -> None:
    batch = batch_of_two()
    full = gradient(maps_of(-2.0), batch)
    part = gradient(maps_of(-2.0), replace(batch, complete=torch.tensor([True, False])), incomplete=0.25)
    torch.testing.assert_close(part[0], full[0])
    torch.testing.assert_close(part[1, :, 0], 0.25 * full[1, :, 0])


def test_pictures_without_people_are_bearable() -> None:
    batch = batch_of_two()
    none = {name: getattr(batch, name)[:0] for name in ("keypoints", "boxes", "areas", "image_index")}
    parts = judge(maps_of(-2.0), replace(batch, **none))
    assert all(value.isfinite() for value in parts.values())
    parts["total"].backward()


def test_a_head_learns_one_picture_in_a_few_steps() -> None:
    torch.manual_seed(0)
    batch, head = batch_of_two(), KeypointMapHead(32, 32, 17)
    features = torch.randn(2, 32, SIDE // FINER, SIDE // FINER)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-2)
    costs = []
    for _ in range(40):
        optimizer.zero_grad()
        parts = judge(head(features), batch)
        parts["total"].backward()
        optimizer.step()
        costs.append(parts["total"].item())
    assert costs[-1] < 0.1 * costs[0]
