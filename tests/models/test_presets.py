"""The presets: the paper's budgets, and its letter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from helpers import tiny
from votepose import grouping
from votepose.commands.train import run
from votepose.data.coco_writer import write_coco
from votepose.data.toy import synthetic_dataset
from votepose.errors import VoteposeError
from votepose.models.checkpoint import load_network
from votepose.models.posenet import PoseNet
from votepose.models.presets import NAMES, preset, votes_only
from votepose.training.config import TrainConfig
from votepose.training.losses.votes import PAPER
from votepose.training.recipes import recipe

MILLIONS = {"mobile": 8.6, "maxvit": 19.1}  # paper, Table 1


@pytest.mark.parametrize("paper", [False, True])
@pytest.mark.parametrize("name", MILLIONS)
def test_the_papers_networks_have_the_papers_size(name: str, paper: bool) -> None:
    network = PoseNet(votes_only(preset(name, paper).network))
    parameters = sum(p.numel() for p in network.parameters()) / 1e6
    assert abs(parameters / MILLIONS[name] - 1) < 0.05


@pytest.mark.parametrize("name", MILLIONS)
def test_the_papers_networks_have_the_papers_shape(name: str) -> None:
    chosen = preset(name)
    assert chosen.input_size // chosen.network.stride == 64
    assert chosen.network.channels == 256
    assert chosen.network.stacks >= 2


def test_the_papers_networks_differ_in_backbone_and_one_width() -> None:
    mobile, maxvit = preset("mobile", paper=True), preset("maxvit", paper=True)
    network = replace(mobile.network, backbone="maxvit", hourglass_width=maxvit.network.hourglass_width)
    assert replace(mobile, network=network) == maxvit


@pytest.mark.parametrize("name", NAMES)
def test_paper_keeps_to_the_letter(name: str) -> None:
    chosen, ours = preset(name, paper=True), preset(name)
    network, losses = chosen.network, recipe(name, paper=True).losses
    assert (network.vectors, network.relative, network.scales) == ("absolute", False, False)
    assert (network.refiner, network.aux_backbone, network.proposals) == (0, False, False)
    assert (network.keypoint_maps, network.focus, network.sparse_memory) == (0, 0, False)
    assert chosen.levels == 1
    assert losses == PAPER
    assert (losses.form, losses.targets.disc) == ("paper", 0)
    assert chosen.grouping == grouping.PAPER
    rule = chosen.grouping
    assert (rule.presence_threshold, rule.rule, rule.pooling, rule.peaks) == (0.8, "euclidean", "mean", False)
    assert ours.network.vectors == "residual"
    assert recipe(name).losses.form == "likelihood"


@pytest.mark.parametrize("name", NAMES)
def test_inputs_fit_every_backbone_and_patch(name: str) -> None:
    chosen = preset(name)
    assert chosen.input_size % 32 == 0
    assert 32 % (chosen.network.stride * chosen.network.patch) == 0
    assert chosen.network.width % (4 * chosen.network.heads) == 0  # a head's pairs of numbers turn with x and with y


def test_an_unknown_preset_is_one_line_that_names_the_known() -> None:
    with pytest.raises(VoteposeError) as error:
        preset("huge")
    assert "\n" not in str(error.value)
    assert all(name in str(error.value) for name in ("huge", *NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_can_be_trained_validated_and_resumed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.train_on_few_poses(monkeypatch)
    drawn = synthetic_dataset(2, size=64, people=(1, 2))
    flat = [replace(sample, image=sample.image[:32]) for sample in drawn.samples]  # of another shape than in training
    write_coco(drawn, tmp_path / "train")
    write_coco(replace(drawn, samples=flat), tmp_path / "val")
    config = TrainConfig(
        (str(tmp_path / "train"),),
        tmp_path / "out",
        tmp_path / "val",
        name,
        input_size=64,
        steps=1,
        steps_per_epoch=1,
        batch_size=2,
        workers=0,
        evaluate_every=1,
        accelerator="cpu",
        precision="32-true",
        freeze="none",
    )
    run(config)
    run(replace(config, steps=2, resume=True))
    network, metadata = load_network(tmp_path / "out" / "weights.safetensors")
    assert (metadata.preset, metadata.input_size) == (name, 64)
    assert all(parameter.isfinite().all() for parameter in network.parameters())
