"""Each stage changes only its part of the network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from helpers import tiny
from helpers.train_runs import checkpoint, tiny_config
from votepose.commands.train import run
from votepose.errors import VoteposeError
from votepose.models import presets
from votepose.models.backbones.thunder import Thunder
from votepose.models.checkpoint import load_network


def test_the_backbone_heads_stage_changes_only_the_backbone(data: Path, tmp_path: Path) -> None:
    start = tiny.write_weights(tmp_path / "start.safetensors")
    run(tiny_config(data, tmp_path / "run", weights=start, stage="backbone-heads", freeze=None))
    before, after = (load_network(path)[0].state_dict() for path in (start, tmp_path / "run" / "weights.safetensors"))
    changed = {name.removeprefix("backbone.trunk.") for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not any(name.startswith(("stem.", "blocks.0.", "blocks.2.")) for name in changed)
    assert {name for name in before if name.startswith("backbone.trunk.")} >= {f"backbone.trunk.{n}" for n in changed}


@pytest.mark.parametrize("alike", [False, True])
def test_the_distill_stage_changes_only_backbone_and_f(data: Path, tmp_path: Path, alike: bool) -> None:
    start = tiny.write_weights(tmp_path / "start.safetensors")
    teacher = tiny.write_weights(tmp_path / "teacher.safetensors", seed=5) if alike else None
    config = tiny_config(data, tmp_path / "run", weights=start, stage="distill", teacher=teacher)
    run(config)
    run(replace(config, steps=6, resume=True))
    before, after = (load_network(path)[0].state_dict() for path in (start, tmp_path / "run" / "weights.safetensors"))
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"backbone", "project", "norm"}
    assert not any("teacher" in name for name in checkpoint(tmp_path / "run")["state_dict"])


def test_the_refiner_stage_changes_only_the_refiner(data: Path, tmp_path: Path) -> None:
    start = tiny.write_weights(tmp_path / "start.safetensors")
    run(tiny_config(data, tmp_path / "run", weights=start, stage="refiner", freeze=None))
    before, after = (load_network(path)[0].state_dict() for path in (start, tmp_path / "run" / "weights.safetensors"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert {name for name in before if name.startswith("refiner.")} >= changed


def test_the_refiner_trains_on_regions_that_are_cut_once(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start, crops = tiny.write_weights(tmp_path / "start.safetensors"), tmp_path / "crops"
    config = tiny_config(data, tmp_path / "run", weights=start, stage="refiner", freeze=None, crops=crops)
    run(config)
    shown = capsys.readouterr().out
    assert "4 steps of 2 people at 64 pixels" in shown
    assert " people/s " in shown
    files = {path: path.stat().st_mtime_ns for path in crops.iterdir()}
    run(replace(config, steps=6, resume=True))
    assert {path: path.stat().st_mtime_ns for path in crops.iterdir()} == files
    run(
        replace(
            config,
            steps=1,
            out=tmp_path / "other",
            weights=tiny.write_weights(tmp_path / "o.safetensors", 5),
            crops=tmp_path / "others",
        )
    )
    with pytest.raises(VoteposeError, match="holds regions made with weights"):
        run(replace(config, steps=8, resume=True, crops=tmp_path / "others"))
    before, after = (load_network(path)[0].state_dict() for path in (start, tmp_path / "run" / "weights.safetensors"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert {name for name in before if name.startswith("refiner.")} >= changed


def test_an_auxiliary_backbone_stays_as_given_except_in_the_joint_stage(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = replace(tiny.PRESET, network=replace(tiny.NETWORK, aux_backbone=True))
    monkeypatch.setitem(presets._PRESETS, "movenet", preset)
    given, config = tmp_path / "thunder.safetensors", tiny_config(data, tmp_path / "first", steps=2)
    thunder = {name: value.half() for name, value in Thunder().state_dict().items()}
    save_file(thunder, given)
    run(replace(config, aux_weights=given))
    first = tmp_path / "first" / "weights.safetensors"
    run(replace(config, weights=first, stage="refiner", freeze=None, out=tmp_path / "second"))
    for folder in ("first", "second"):
        network, _ = load_network(tmp_path / folder / "weights.safetensors")
        assert network.aux_backbone is not None
        assert all(
            torch.equal(value, thunder[name].float()) for name, value in network.aux_backbone.state_dict().items()
        )
    run(replace(config, weights=first, stage="joint", freeze=None, out=tmp_path / "third"))
    before, after = (load_network(tmp_path / x / "weights.safetensors")[0].state_dict() for x in ("first", "third"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[0] for name in changed} >= {"backbone", "aux_backbone", "presence", "vector", "refiner"}
    with pytest.raises(VoteposeError, match=r"--weights bundled or --aux-weights"):
        run(replace(config, stage="joint", out=tmp_path / "refused"))
    run(replace(config, out=tmp_path / "none"))  # without weights there is no auxiliary backbone
    assert load_network(tmp_path / "none" / "weights.safetensors")[0].aux_backbone is None
