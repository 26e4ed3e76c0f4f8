"""A batch -> its losses; and that a network which minimises them learns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers import tiny
from helpers.bodies import people_apart
from votepose.data.augment_config import NONE
from votepose.data.loader import Batch, Source, TrainingSet, collate
from votepose.data.toy import synthetic_dataset
from votepose.models.config import NetworkConfig
from votepose.models.features import FeatureMaps
from votepose.models.outputs import Votes
from votepose.models.posenet import PoseNet
from votepose.skeleton import COCO_17
from votepose.training.losses.votes import PAPER, VoteLossConfig
from votepose.training.stages.votes import VoteStage
from votepose.training.targets import choose_cells

SIDE, STRIDE = 24, 4  # cells, pixels
FORMS = {"likelihood": VoteLossConfig(), "paper": PAPER}


@pytest.fixture(autouse=True)
def _few_poses(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.train_on_few_poses(monkeypatch)


@dataclass
class Puppet:
    """Stands in for a network: the test sets its presence, and the shift of its otherwise perfect votes."""

    truth: Tensor  # (N, K, 2) cells
    logits: Tensor
    shift: float = 0.0
    config: NetworkConfig = field(default_factory=lambda: replace(tiny.NETWORK, stride=STRIDE))
    refiner: None = None
    focus: None = None
    owners: Tensor | None = None

    def encode(self, images: Tensor) -> FeatureMaps:
        return FeatureMaps(torch.zeros(len(images), 17, SIDE, SIDE), [self.logits], None, None, [], None)

    def predict_votes(self, maps: FeatureMaps, cells: Tensor) -> Votes:
        assert self.owners is not None
        poses = self.truth[self.owners.clamp(min=0)] + self.shift
        return Votes(poses.requires_grad_(), torch.full(poses.shape[:-1], -1.0))


def people(labelled: int = 17) -> Tensor:
    """(2, 17, 3) keypoints in cells of two people, the first `labelled` joints known."""
    points = torch.from_numpy(people_apart(2, np.random.default_rng(0), size=7.0, columns=1)) * 0.8
    visible = (torch.arange(17) < labelled).float() * 2
    return torch.cat([points, visible[None, :, None].expand(2, -1, 1)], dim=-1)


def batch_of(keypoints: Tensor, images: int = 2, **changes: Any) -> Batch:
    """People, one an image, in `images` empty images."""
    pixels = keypoints * torch.tensor([STRIDE, STRIDE, 1])
    side = SIDE * STRIDE
    batch = Batch(
        torch.zeros(images, 3, side, side, dtype=torch.uint8),
        pixels,
        torch.zeros(len(pixels), 4),
        torch.full((len(pixels),), 28.0**2),
        torch.arange(len(pixels)),
        torch.zeros(images, side // 4, side // 4, dtype=torch.bool),
        torch.ones(images, dtype=torch.bool),
    )
    return replace(batch, **changes)


def judge(monkeypatch: pytest.MonkeyPatch, puppet: Puppet, batch: Batch, config: VoteLossConfig) -> dict[str, Tensor]:
    def choose(targets: Any, count: int) -> tuple[Tensor, Tensor]:
        cells, puppet.owners = choose_cells(targets, count)
        return cells, puppet.owners

    monkeypatch.setattr("votepose.training.stages.votes.choose_cells", choose)
    return VoteStage(config, COCO_17)(puppet, batch)  # type: ignore[arg-type]


def blank() -> Tensor:
    return torch.zeros(2, SIDE, SIDE, requires_grad=True)


@pytest.mark.parametrize("form", FORMS)
def test_worse_votes_cost_more_and_perfect_ones_least(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    keypoints = people()
    costs = [
        judge(monkeypatch, Puppet(keypoints[..., :2], blank(), shift), batch_of(keypoints), FORMS[form])["votes"].item()
        for shift in (0.0, 0.5, 2.0, 8.0)
    ]
    assert costs == sorted(costs)
    assert costs[0] < costs[1]
    if form == "paper":
        np.testing.assert_allclose(costs, [0.0, 0.25, 4.0, 64.0], atol=1e-4)  # squared errors, by hand


@pytest.mark.parametrize("form", FORMS)
def test_unlabelled_joints_do_not_count(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    keypoints = people(labelled=6)
    wrong = keypoints[..., :2].clone()
    wrong[:, 6:] += 50.0
    right, off = (
        judge(monkeypatch, Puppet(poses, blank()), batch_of(keypoints), FORMS[form])
        for poses in (keypoints[..., :2], wrong)
    )
    torch.testing.assert_close(right["votes"], off["votes"])
    torch.testing.assert_close(right["presence"], off["presence"])


@pytest.mark.parametrize("form", FORMS)
def test_presence_is_pushed_up_on_keypoints_and_down_elsewhere(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    keypoints, logits = people(), blank()
    judge(monkeypatch, Puppet(keypoints[..., :2], logits), batch_of(keypoints), FORMS[form])["presence"].backward()
    assert logits.grad is not None
    image, (x, y) = 1, keypoints[1, 0, :2].long().tolist()
    assert logits.grad[image, y, x] < 0 < logits.grad[image, 0, SIDE - 1]


@pytest.mark.parametrize("form", FORMS)
def test_ignored_regions_teach_nothing_but_labelled_people_in_them_do(
    monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    keypoints, logits = people(), blank()
    batch = batch_of(keypoints, ignore=torch.ones(2, SIDE, SIDE, dtype=torch.bool))
    judge(monkeypatch, Puppet(keypoints[..., :2], logits), batch, FORMS[form])["presence"].backward()
    assert logits.grad is not None
    painted = torch.zeros(2, SIDE, SIDE, dtype=torch.bool)
    for image in range(2):
        for x, y in keypoints[image, :, :2].long().tolist():
            painted[image, max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = True
            assert logits.grad[image, y, x] != 0
    assert not logits.grad[~painted].any()


def test_empty_cells_weigh_less_where_people_may_be_unlabelled(monkeypatch: pytest.MonkeyPatch) -> None:
    keypoints, logits = people(), blank()
    config = VoteLossConfig(incomplete=0.25)
    batch = batch_of(keypoints, complete=torch.tensor([True, False]))
    judge(monkeypatch, Puppet(keypoints[..., :2], logits), batch, config)["presence"].backward()
    assert logits.grad is not None
    corners = logits.grad[:, 0, SIDE - 1]
    torch.testing.assert_close(corners[1], 0.25 * corners[0])


def test_the_paper_form_is_equation_5(monkeypatch: pytest.MonkeyPatch) -> None:
    keypoints = people()
    parts = judge(monkeypatch, Puppet(keypoints[..., :2], blank(), 1.0), batch_of(keypoints), PAPER)
    stage = VoteStage(PAPER, COCO_17)
    assert stage.criterion.balance is not None
    first, second = stage.criterion.balance.weights
    expected = (first * parts["presence"] + second * parts["votes"]) / (first + second)
    torch.testing.assert_close(parts["total"], expected)
    assert [name for name, _ in stage.named_parameters()] == ["criterion.balance.raw"]
    assert VoteStage(VoteLossConfig(), COCO_17).criterion.balance is None


def drawn(count: int, size: int = 64, people: tuple[int, int] = (1, 2)) -> Batch:
    data = TrainingSet([Source(synthetic_dataset(count, size, people))], size, NONE, seed=0, length=count)
    return collate([data[i] for i in range(count)])


def network(**changes: Any) -> PoseNet:
    torch.manual_seed(0)
    return PoseNet(replace(tiny.NETWORK, **changes)).train()


def all_losses(config: VoteLossConfig, net: PoseNet, batch: Batch) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return VoteStage(config, COCO_17)(net, batch)


def test_every_parameter_learns_something() -> None:
    net, batch = network(stacks=2, keypoint_maps=8), drawn(4)
    all_losses(VoteLossConfig(), net, batch)["total"].backward()
    untrained = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert untrained == []


@pytest.mark.parametrize("form", FORMS)
def test_pictures_without_people_are_bearable(form: str) -> None:
    net = network(refiner=0) if form == "paper" else network()
    parts = all_losses(FORMS[form], net, drawn(2, people=(0, 0)))
    assert all(value.isfinite() for value in parts.values())
    parts["total"].backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize(
    "changes",
    [
        {"stride": 8, "patch": 2, "proposals": False},
        {"scales": False},
        {"hourglass": False},
        {"transformer": False},
        {"proposals": False, "vectors": "absolute"},
        {"keypoint_maps": 8},
    ],
)
def test_every_switch_can_be_trained(changes: dict[str, Any]) -> None:
    net = network(**changes)
    parts = all_losses(VoteLossConfig(), net, drawn(2))
    assert parts.keys() >= {"presence", "votes", "total"}
    assert ("places" in parts) == (net.refiner is not None)
    assert ("keypoint_maps" in parts) == ("keypoint_offsets" in parts) == (net.keypoint_maps is not None)
    parts["total"].backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


def test_a_small_network_learns_a_few_pictures() -> None:
    net = network(proposals=False, channels=48, hourglass_width=32, width=64, heads=4, keypoint_maps=24)
    batch = drawn(3, people=(1, 1))
    stage = VoteStage(VoteLossConfig(votes=64), COCO_17)
    optimizer = torch.optim.AdamW(net.parameters(), lr=4e-3)
    history: list[dict[str, float]] = []
    for _ in range(25):
        optimizer.zero_grad()
        parts = stage(net, batch)
        parts["total"].backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        history.append({name: value.item() for name, value in parts.items()})
    first, last = ({n: np.mean([h[n] for h in part]) for n in part[0]} for part in (history[:3], history[-3:]))
    assert last["presence"] < 0.5 * first["presence"]
    assert last["votes"] < first["votes"] - 2  # nats per joint
    assert last["places"] < 0.7 * first["places"]  # nats per joint
    assert last["keypoint_maps"] < 0.7 * first["keypoint_maps"]
