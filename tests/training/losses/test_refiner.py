"""The second look's lesson: the truth costs least, nobody is taught to be nobody, and the unknown is not judged."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from helpers import tiny
from votepose.data.augment import NONE
from votepose.data.loader import Batch, Source, TrainingSet, collate
from votepose.data.toy import synthetic_dataset
from votepose.grouping import GroupingConfig
from votepose.models.heads.refiner import FINER, Look
from votepose.models.heads.roi_align import CLOSER, COLUMNS, ROWS, Frame
from votepose.models.posenet import PoseNet
from votepose.skeleton import COCO_17
from votepose.training.losses.refiner import LookTruth, look_losses, spoilt
from votepose.training.refiner_targets import Labelled, LookObjective, prepare

KAPPAS, FLIP = torch.from_numpy(COCO_17.kappas), torch.from_numpy(COCO_17.flip)


def truth(people: int = 3, visible: int = 2) -> LookTruth:
    points = torch.rand(people, 17, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([20.0, 28]) + 2
    keypoints = torch.cat([points, torch.full((people, 17, 1), float(visible))], dim=-1)
    return LookTruth(keypoints, torch.full((people,), 12.0), torch.ones(people, dtype=torch.bool), torch.ones(people))


def answer(points: Tensor, sharpness: float = 1.0, logit: float = 0.0) -> Look:
    """A look that believes in Gaussians at points (P, K, 2)."""
    x, y = (torch.arange(COLUMNS * FINER) + 0.5) / FINER, (torch.arange(ROWS * FINER) + 0.5) / FINER
    heat = -((x - points[..., None, :1]) ** 2 + (y[:, None] - points[..., 1:, None]) ** 2) * sharpness
    judged = torch.full(points.shape[:2], logit)
    return Look(points, judged, judged, judged[:, 0], heat)


def test_the_farther_the_costlier() -> None:
    points = truth().keypoints[..., :2]
    costs = [look_losses(answer(points + shift), truth(), KAPPAS)["places"].item() for shift in (0.0, 0.5, 1.5)]
    assert costs[0] < costs[1] < costs[2]


def test_what_is_reached_is_oks() -> None:
    points = truth().keypoints[..., :2]
    assert look_losses(answer(points), truth(), KAPPAS)["oks"].item() == pytest.approx(1)
    assert look_losses(answer(points + 40), truth(), KAPPAS)["oks"].item() == pytest.approx(0)


@pytest.mark.parametrize(("shift", "sure_is_right"), [(0.0, True), (40.0, False)])
def test_judgement_is_held_against_what_was_reached(shift: float, sure_is_right: bool) -> None:
    points = truth().keypoints[..., :2] + shift
    sure, unsure = (look_losses(answer(points, logit=x), truth(), KAPPAS) for x in (4.0, -4.0))
    assert (sure["quality"] < unsure["quality"]) == sure_is_right
    assert (sure["joints"] < unsure["joints"]) == sure_is_right


def test_hidden_joints_are_not_seen() -> None:
    points = truth().keypoints[..., :2]
    for visible in (1, 2):
        costs = [look_losses(answer(points, logit=x), truth(visible=visible), KAPPAS)["seen"] for x in (-2.0, 2.0)]
        assert (costs[0] < costs[1]) == (visible == 1)


def test_unlabelled_joints_and_unknown_people_cost_nothing() -> None:
    known = truth()
    points = known.keypoints[..., :2]
    half = known.keypoints * torch.cat([torch.ones(17, 2), (torch.arange(17) < 9).float()[:, None]], dim=1)
    wrong = points + 10 * (torch.arange(17) >= 9).float()[:, None]
    costs = look_losses(answer(wrong), replace(known, keypoints=half), KAPPAS)
    right = look_losses(answer(points), replace(known, keypoints=half), KAPPAS)
    assert all(torch.equal(costs[name], right[name]) for name in costs)
    nobody = replace(known, keypoints=torch.zeros(3, 17, 3), somebody=torch.zeros(3) > 0, weight=torch.zeros(3))
    assert all(value == 0 for value in look_losses(answer(points), nobody, KAPPAS).values())


def test_errors_are_invented_for_labelled_joints_only() -> None:
    torch.manual_seed(0)
    known = truth(400)
    known.keypoints[:, 5, 2] = 0  # the left shoulder, so that its right one cannot be exchanged either
    found = known.keypoints[..., :2] + 100
    shown = spoilt(found, known, KAPPAS, FLIP)
    kept = (shown == found).all(dim=-1)
    assert kept[:, [5, 6]].all()
    share = kept[:, 0].float().mean()
    assert 0.5 < share < 0.7
    near = (shown[:, 0] - known.keypoints[:, 0, :2]).norm(dim=-1)[~kept[:, 0]]
    assert near.median() < 1
    assert near.max() > 3


def batch(people: tuple[int, int] = (1, 2)) -> Batch:
    data = synthetic_dataset(3, size=96, people=people)
    stream = TrainingSet([Source(data)], 96, NONE, seed=0, length=3)
    return collate([stream[i] for i in range(3)])


def test_whose_a_pose_is() -> None:
    keypoints = torch.cat([truth(2).keypoints, torch.zeros(1, 17, 3)])
    keypoints[1, :, :2] += 50
    people = Labelled(keypoints[:2], torch.full((2,), 12.0), torch.tensor([0, 1]), torch.zeros(2, 30, 30) > 0)
    poses, images = keypoints[[1, 0, 0], :, :2], torch.tensor([1, 0, 1])
    person, somebody = people.match(poses, images, KAPPAS)
    assert person[:2].tolist() == [1, 0]
    assert somebody.tolist() == [True, True, False]


def test_who_is_missed() -> None:
    keypoints = truth(3).keypoints
    keypoints[2, 3:, 2] = 0
    people = Labelled(keypoints, torch.full((3,), 12.0), torch.tensor([0, 0, 1]), torch.zeros(2, 30, 30) > 0)
    poses, images = people.missed(keypoints[[1], :, :2], torch.tensor([0]), KAPPAS)
    assert images.tolist() == [0, 1]
    torch.testing.assert_close(poses[0], keypoints[0, :, :2])
    torch.testing.assert_close(poses[1, 3:], keypoints[2, :3, :2].mean(dim=0).expand(14, 2))


@torch.no_grad()
def test_half_of_the_people_are_shown_as_a_look_corrects_them_from_nearer() -> None:
    torch.manual_seed(0)
    network, seen = PoseNet(tiny.NETWORK).eval(), batch()
    assert network.second_look is not None
    network.second_look.trust.zero_()  # so that it moves joints far
    network.second_look.train()
    maps = [network.encode(seen.images)]
    people = Labelled.of(seen, 4, torch.ones(3, 24, 24) > 0)
    count = 200
    poses, images = people.keypoints[:1, :, :2].expand(count, -1, -1), people.image_index[:1].expand(count)
    lesson = prepare(network, maps, poses, images, people, KAPPAS)
    assert network.second_look.training
    found = Frame.around(poses, images).into(poses)
    corrected = network.eval().look_again(maps, poses, images, KAPPAS).poses
    nearer = Frame.around(corrected, images, CLOSER).into(corrected)
    first, again = ((lesson.poses - x).abs().amax(dim=(1, 2)) < 1e-3 for x in (found, nearer))
    assert (first ^ again).all()
    assert 0.35 < again.float().mean() < 0.65
    for frame, shown in ((Frame.around(poses, images), first), (Frame.around(corrected, images, CLOSER), again)):
        truth = frame.into(people.keypoints[:1, :, :2].expand(count, -1, -1))
        somebody = shown & lesson.truth.somebody
        torch.testing.assert_close(lesson.truth.keypoints[somebody][..., :2], truth[somebody])


@pytest.mark.parametrize("people", [(1, 2), (0, 0)])
def test_only_the_second_look_is_taught(people: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = PoseNet(tiny.NETWORK).requires_grad_(False)
    assert network.second_look is not None
    network.second_look.requires_grad_(True)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    objective = LookObjective(COCO_17, GroupingConfig(presence_threshold=0.01), levels=2)
    parts = objective(network, batch(people))
    parts["total"].backward()
    assert parts["total"].isfinite()
    after = network.state_dict()
    drifted = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert all(name.startswith("second_look.") for name in drifted)
