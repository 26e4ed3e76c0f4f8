"""The focus stage trains the focus head and nothing else; the stages that change its input train it, too."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers import tiny
from votepose.data.augment_config import NONE
from votepose.data.loader import Batch, Source, TrainingSet, collate
from votepose.data.toy import synthetic_dataset
from votepose.errors import VoteposeError
from votepose.grouping import GroupingConfig
from votepose.models.posenet import PoseNet
from votepose.skeleton import COCO_17
from votepose.training.losses.votes import VoteLossConfig
from votepose.training.stages.base import Stage
from votepose.training.stages.focus import FocusStage
from votepose.training.stages.joint import JointStage
from votepose.training.stages.votes import VoteStage


@pytest.fixture(autouse=True)
def _few_poses(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.train_on_few_poses(monkeypatch)


def network(**parts: bool) -> PoseNet:
    torch.manual_seed(0)
    return PoseNet(replace(tiny.NETWORK, focus=8, **parts))


def drawn() -> Batch:
    """Drawn people about 60 pixels tall, in images of 128."""
    data = TrainingSet([Source(synthetic_dataset(4, size=128))], 128, NONE, 0, 2)
    return collate([data[0], data[1]])


def test_only_the_head_is_trained_and_learns_where_people_are() -> None:
    net, stage, batch = network(), FocusStage(0.3), drawn()
    stage.select(net)
    trained = {name.split(".")[0] for name, parameter in net.named_parameters() if parameter.requires_grad}
    assert trained == {"focus"}
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], 0.01)
    losses = []
    for _ in range(80):
        loss = stage(net, batch)["total"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize("stage", ["votes", "joint"])
def test_stages_that_change_its_features_train_the_head(stage: str) -> None:
    config = VoteLossConfig(votes=16)
    net = network(aux_backbone=stage == "joint")
    stages: dict[str, Stage] = {
        "votes": VoteStage(config, COCO_17),
        "joint": JointStage(config, COCO_17, GroupingConfig(presence_threshold=0.01), 2),
    }
    parts = stages[stage](net, drawn())
    parts["focus"].backward()
    assert {name.split(".")[0] for name, p in net.named_parameters() if p.grad is not None} == {"focus"}


def test_a_network_without_the_head_is_refused() -> None:
    with pytest.raises(VoteposeError, match="no focus head: use another preset"):
        FocusStage.require(tiny.NETWORK, "use another preset")
