"""Painting people: what is taught where, and back again by the grouping."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from helpers.bodies import KAPPAS, matched, people_apart
from votepose.data.loader import Batch
from votepose.grouping import GroupingConfig, group
from votepose.training.targets import TargetConfig, Targets, VoteTargets, choose_cells, paint

SHAPE = (2, 40, 72)
PAPER = TargetConfig(disc=0.0)
CONFIGS = [TargetConfig(), PAPER, TargetConfig(disc=1.0)]


def scene(count: int, seed: int, size: float = 8.0) -> tuple[Tensor, Tensor, Tensor]:
    """Keypoints (count, 17, 3), a third of them unlabelled, sizes and images of people who do not touch."""
    rng = np.random.default_rng(seed)
    points = people_apart(count, rng, size, columns=4)
    visible = rng.integers(0, 3, (count, 17))
    visible[:, 0] = 2
    keypoints = torch.from_numpy(np.concatenate([points, visible[..., None]], axis=-1).astype(np.float32))
    return keypoints, torch.full((count,), size), torch.from_numpy(rng.integers(0, SHAPE[0], count))


def painted(keypoints: Tensor, sizes: Tensor, images: Tensor, config: TargetConfig = PAPER) -> Targets:
    return paint(keypoints, sizes, images, SHAPE, torch.from_numpy(KAPPAS), config)


@pytest.mark.parametrize("config", CONFIGS)
def test_perfect_votes_at_painted_cells_give_the_people_back(config: TargetConfig) -> None:
    keypoints, sizes, images = scene(8, seed=0)
    targets = painted(keypoints, sizes, images, config)
    image, row, column = (targets.owner >= 0).nonzero(as_tuple=True)
    people = keypoints[targets.owner[image, row, column], :, :2]
    cells = torch.stack([column, row], dim=-1) + 0.5
    for i in range(SHAPE[0]):
        here = image == i
        votes = people[here].numpy()
        ones = np.ones(len(votes), np.float32)
        groups = group(
            votes, np.zeros((len(votes), 17), np.float32), cells[here].numpy(), ones, KAPPAS, GroupingConfig()
        )
        assert matched(groups.poses[groups.leader], keypoints[images == i, :, :2].numpy()) < 1e-3


@pytest.mark.parametrize("config", CONFIGS)
@given(seed=st.integers(0, 2**31), moved=st.integers(0, 7))
@settings(max_examples=20, deadline=None)
def test_a_moved_person_changes_only_its_own_cells(config: TargetConfig, seed: int, moved: int) -> None:
    keypoints, sizes, images = scene(8, seed)
    before = painted(keypoints, sizes, images, config).owner
    keypoints = keypoints.clone()
    keypoints[moved, :, :2] += 2.0
    after = painted(keypoints, sizes, images, config).owner
    changed = before != after
    assert changed.any()
    assert torch.isin(before[changed], torch.tensor([-1, moved])).all()
    assert torch.isin(after[changed], torch.tensor([-1, moved])).all()


def test_the_papers_targets_are_the_keypoints_own_cells() -> None:
    keypoints = torch.tensor([[[3.2, 5.9, 2.0], [10.0, 7.0, 1.0], [20.5, 7.5, 0.0]]])
    targets = paint(keypoints, torch.tensor([30.0]), torch.tensor([1]), SHAPE, torch.ones(3), PAPER)
    assert targets.presence.nonzero().tolist() == [[1, 5, 3], [1, 7, 10]]
    assert targets.owner[targets.presence > 0].tolist() == [0, 0]


@pytest.mark.parametrize("config", CONFIGS)
def test_unlabelled_joints_are_not_painted(config: TargetConfig) -> None:
    keypoints, sizes, images = scene(8, seed=3)
    elsewhere = keypoints.clone()
    elsewhere[keypoints[..., 2] == 0] = torch.tensor([1.0, 1.0, 0.0])
    before, after = painted(keypoints, sizes, images, config), painted(elsewhere, sizes, images, config)
    assert torch.equal(before.owner, after.owner)
    assert not painted(keypoints * torch.tensor([1, 1, 0]), sizes, images, config).presence.any()


def test_joints_outside_the_map_are_not_painted() -> None:
    keypoints = torch.tensor([[[-0.5, 5.0, 2.0], [72.2, 5.0, 2.0], [5.0, 40.0, 2.0], [5.0, -3.0, 2.0]]])
    targets = paint(keypoints, torch.tensor([4.0]), torch.tensor([0]), SHAPE, torch.ones(4), PAPER)
    assert not targets.presence.any()


@given(seed=st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_where_keypoints_meet_the_nearest_wins(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = torch.from_numpy(rng.uniform(0, 12, (5, 4, 2)).astype(np.float32))
    keypoints = torch.cat([points, torch.ones(5, 4, 1)], dim=-1)
    owner = paint(
        keypoints, torch.full((5,), 4.0), torch.zeros(5).long(), (1, 12, 12), torch.ones(4), TargetConfig(disc=0.4)
    ).owner[0]
    for y in range(12):
        for x in range(12):
            distances = (points - torch.tensor([x + 0.5, y + 0.5])).norm(dim=-1)
            inside = (distances <= 1.6) | (points.floor() == torch.tensor([x, y])).all(dim=-1)
            assert (owner[y, x] >= 0) == inside.any()
            if inside.any():
                best = distances.where(inside, torch.inf).min(dim=1).values
                assert best[owner[y, x]] <= best.min() + 1e-3


def test_a_disc_grows_with_the_person_and_ends() -> None:
    def cells(size: float) -> int:
        keypoints = torch.tensor([[[20.5, 20.5, 2.0]]])
        return int(
            paint(
                keypoints, torch.tensor([size]), torch.tensor([0]), SHAPE, torch.ones(1), TargetConfig(disc=0.4)
            ).presence.sum()
        )

    assert [cells(size) for size in (1.0, 2.5, 5.0, 500.0)] == [1, 5, 13, 13]


def test_without_people_the_map_is_empty() -> None:
    targets = paint(torch.zeros(0, 17, 3), torch.zeros(0), torch.zeros(0).long(), SHAPE, torch.ones(17), TargetConfig())
    assert not targets.presence.any()
    assert (targets.owner == -1).all()


def test_chosen_cells_are_owned_and_every_person_is_asked_as_often() -> None:
    keypoints = torch.zeros(3, 17, 3)
    for person, joints in enumerate((17, 4, 1)):
        keypoints[person, :joints, 0] = 2.0 * torch.arange(joints) + 0.5
        keypoints[person, :joints, 1] = 5.0 * person + 0.5
        keypoints[person, :joints, 2] = 2
    targets = painted(keypoints, torch.ones(3), torch.zeros(3).long())
    cells, owners = choose_cells(targets, 30_000, torch.Generator().manual_seed(0))
    assert torch.equal(owners[0], targets.owner[0].flatten()[cells[0]])
    torch.testing.assert_close(owners[0].bincount() / 30_000, torch.full((3,), 1 / 3), atol=0.01, rtol=0)
    assert (owners[1] == -1).all()  # no person in the second image


def test_cells_weigh_by_what_is_known_of_them() -> None:
    ignore = torch.zeros(2, 8, 8, dtype=torch.bool)
    ignore[:, :, 4:] = True  # the right half
    batch = Batch(
        torch.zeros(2, 3, 32, 32, dtype=torch.uint8),
        torch.tensor([[[12.0, 12.0, 2.0]], [[28.0, 12.0, 1.0]]]),
        torch.zeros(2, 4),
        torch.tensor([16.0**2, 24.0**2]),
        torch.tensor([0, 1]),
        ignore,
        complete=torch.tensor([True, False]),
    )
    targets = VoteTargets.of(batch, 8, (2, 4, 4), torch.ones(1), PAPER, incomplete=0.3)
    weights = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.3, 0.3, 0.0, 0.0]])[:, None].repeat(1, 4, 1)
    weights[1, 1, 3] = 1.0  # a labelled keypoint
    torch.testing.assert_close(targets.weights, weights)
    assert targets.people.certain.tolist() == [[[True, True, False, False]] * 4, [[False] * 4] * 4]
    assert targets.people.keypoints.tolist() == [[[1.5, 1.5, 2.0]], [[3.5, 1.5, 1.0]]]
    assert targets.people.sizes.tolist() == [2.0, 3.0]
