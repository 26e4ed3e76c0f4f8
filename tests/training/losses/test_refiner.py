"""The refiner's losses and targets: the truth costs least, and what is not known does not count."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from helpers import tiny
from votepose.data.augment_config import NONE
from votepose.data.loader import Batch, Source, TrainingSet, collate
from votepose.data.toy import synthetic_dataset
from votepose.grouping import GroupingConfig
from votepose.models.features import ROI_COLUMNS, ROI_ROWS
from votepose.models.heads.refiner import FINER
from votepose.models.heads.roi_align import CLOSE_MARGIN, RoiGrid
from votepose.models.outputs import RefinedPoses
from votepose.models.posenet import PoseNet
from votepose.skeleton import COCO_17
from votepose.training.losses.refiner import refiner_losses
from votepose.training.refiner_targets import RefinerTargets, build_refiner_batch, synthesize_pose_errors
from votepose.training.stages.refiner import RefinerStage
from votepose.training.targets import GroundTruth

KAPPAS, FLIP = torch.from_numpy(COCO_17.kappas), torch.from_numpy(COCO_17.flip)


def targets(people: int = 3, visible: int = 2) -> RefinerTargets:
    points = torch.rand(people, 17, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([20.0, 28]) + 2
    keypoints = torch.cat([points, torch.full((people, 17, 1), float(visible))], dim=-1)
    return RefinerTargets(
        keypoints, torch.full((people,), 12.0), torch.ones(people, dtype=torch.bool), torch.ones(people)
    )


def refined(points: Tensor, sharpness: float = 1.0, logit: float = 0.0) -> RefinedPoses:
    """Refined poses whose distributions are Gaussians at points (P, K, 2)."""
    x, y = (torch.arange(ROI_COLUMNS * FINER) + 0.5) / FINER, (torch.arange(ROI_ROWS * FINER) + 0.5) / FINER
    heat = -((x - points[..., None, :1]) ** 2 + (y[:, None] - points[..., 1:, None]) ** 2) * sharpness
    judged = torch.full(points.shape[:2], logit)
    return RefinedPoses(points, judged, judged, judged[:, 0], heat)


def test_places_further_off_cost_more() -> None:
    points = targets().keypoints[..., :2]
    costs = [refiner_losses(refined(points + shift), targets(), KAPPAS)["places"].item() for shift in (0.0, 0.5, 1.5)]
    assert costs[0] < costs[1] < costs[2]


def test_oks_is_that_of_the_refined_poses() -> None:
    points = targets().keypoints[..., :2]
    assert refiner_losses(refined(points), targets(), KAPPAS)["oks"].item() == pytest.approx(1)
    assert refiner_losses(refined(points + 40), targets(), KAPPAS)["oks"].item() == pytest.approx(0)


@pytest.mark.parametrize(("shift", "sure_is_right"), [(0.0, True), (40.0, False)])
def test_predicted_quality_is_compared_with_the_pose_quality(shift: float, sure_is_right: bool) -> None:
    points = targets().keypoints[..., :2] + shift
    sure, unsure = (refiner_losses(refined(points, logit=x), targets(), KAPPAS) for x in (4.0, -4.0))
    assert (sure["quality"] < unsure["quality"]) == sure_is_right
    assert (sure["joints"] < unsure["joints"]) == sure_is_right


def test_hidden_joints_are_not_seen() -> None:
    points = targets().keypoints[..., :2]
    for visible in (1, 2):
        costs = [
            refiner_losses(refined(points, logit=x), targets(visible=visible), KAPPAS)["seen"] for x in (-2.0, 2.0)
        ]
        assert (costs[0] < costs[1]) == (visible == 1)


def test_unlabelled_joints_and_unknown_people_cost_nothing() -> None:
    known = targets()
    points = known.keypoints[..., :2]
    half = known.keypoints * torch.cat([torch.ones(17, 2), (torch.arange(17) < 9).float()[:, None]], dim=1)
    wrong = points + 10 * (torch.arange(17) >= 9).float()[:, None]
    costs = refiner_losses(refined(wrong), replace(known, keypoints=half), KAPPAS)
    right = refiner_losses(refined(points), replace(known, keypoints=half), KAPPAS)
    assert all(torch.equal(costs[name], right[name]) for name in costs)
    unknown = replace(known, keypoints=torch.zeros(3, 17, 3), is_person=torch.zeros(3) > 0, weight=torch.zeros(3))
    assert all(value == 0 for value in refiner_losses(refined(points), unknown, KAPPAS).values())


def test_only_labelled_joints_get_synthetic_errors() -> None:
    torch.manual_seed(0)
    known = targets(400)
    known.keypoints[:, 5, 2] = 0  # the left shoulder, so that its right one cannot be exchanged either
    found = known.keypoints[..., :2] + 100
    shown = synthesize_pose_errors(found, known, KAPPAS, FLIP)
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


def test_a_pose_matches_the_most_similar_person_of_its_image() -> None:
    keypoints = torch.cat([targets(2).keypoints, torch.zeros(1, 17, 3)])
    keypoints[1, :, :2] += 50
    people = GroundTruth(keypoints[:2], torch.full((2,), 12.0), torch.tensor([0, 1]), torch.zeros(2, 30, 30) > 0)
    poses, images = keypoints[[1, 0, 0], :, :2], torch.tensor([1, 0, 1])
    person, is_person = people.match(poses, images, KAPPAS)
    assert person[:2].tolist() == [1, 0]
    assert is_person.tolist() == [True, True, False]


def test_people_that_no_pose_matches_are_missed() -> None:
    keypoints = targets(3).keypoints
    keypoints[2, 3:, 2] = 0
    people = GroundTruth(keypoints, torch.full((3,), 12.0), torch.tensor([0, 0, 1]), torch.zeros(2, 30, 30) > 0)
    poses, images = people.missed(keypoints[[1], :, :2], torch.tensor([0]), KAPPAS)
    assert images.tolist() == [0, 1]
    torch.testing.assert_close(poses[0], keypoints[0, :, :2])
    torch.testing.assert_close(poses[1, 3:], keypoints[2, :3, :2].mean(dim=0).expand(14, 2))


@torch.no_grad()
def test_half_of_the_poses_are_refined_once_before_and_get_closer_regions() -> None:
    torch.manual_seed(0)
    network, seen = PoseNet(tiny.NETWORK).eval(), batch()
    assert network.refiner is not None
    network.refiner.pose_prior_weight.zero_()  # so that it moves joints far
    network.refiner.train()
    maps = [network.encode(seen.images)]
    people = GroundTruth.of(seen, 4, torch.ones(3, 24, 24) > 0)
    count = 120
    poses, images = people.keypoints[:1, :, :2].expand(count, -1, -1), people.image_index[:1].expand(count)
    built = build_refiner_batch(network, maps, poses, images, people, KAPPAS)
    assert network.refiner.training
    found = RoiGrid.around(poses, images).to_grid(poses)
    corrected = network.eval().refine(maps, poses, images, KAPPAS).poses
    nearer = RoiGrid.around(corrected, images, CLOSE_MARGIN).to_grid(corrected)
    first, again = ((built.poses - x).abs().amax(dim=(1, 2)) < 1e-3 for x in (found, nearer))
    assert (first ^ again).all()
    assert 0.35 < again.float().mean() < 0.65
    for grid, shown in (
        (RoiGrid.around(poses, images), first),
        (RoiGrid.around(corrected, images, CLOSE_MARGIN), again),
    ):
        truth = grid.to_grid(people.keypoints[:1, :, :2].expand(count, -1, -1))
        chosen = shown & built.targets.is_person
        torch.testing.assert_close(built.targets.keypoints[chosen][..., :2], truth[chosen])


@pytest.mark.parametrize("people", [(1, 2), (0, 0)])
def test_only_the_refiner_is_trained(people: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = PoseNet(tiny.NETWORK)
    stage = RefinerStage(COCO_17, GroupingConfig(presence_threshold=0.01), levels=2)
    stage.select(network)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    parts = stage(network, batch(people))
    parts["total"].backward()
    assert parts["total"].isfinite()
    after = network.state_dict()
    drifted = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert all(name.startswith("refiner.") for name in drifted)
