"""Memory, early stopping, a time limit, several processes."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from helpers import tiny
from helpers.train_runs import ENVIRONMENT, checkpoint, command, tiny_config
from votepose.commands.train import run
from votepose.data.coco_writer import write_coco
from votepose.data.toy import synthetic_dataset
from votepose.errors import VoteposeError
from votepose.evaluation.coco_metrics import KeypointMetrics
from votepose.models.checkpoint import load_network
from votepose.training.checkpoints import PlainFiles
from votepose.training.fit import fit
from votepose.training.stages.votes import VoteStage


def test_pictures_that_do_not_fit_on_the_device_are_read_from_disk(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_config(data, tmp_path / "fits", steps=1, resident=True)
    run(config)
    shown = capsys.readouterr().out
    assert "6 images decoded in " in shown
    assert re.search(r"^epoch +step  images/s +loss +presence .*\n +0 +1 +[\d.]+ +[\d.]+ ", shown, re.MULTILINE)
    assert "the images need" not in shown
    monkeypatch.setattr("votepose.training.pictures._free_bytes", lambda device: 500_000)
    run(replace(config, out=tmp_path / "not"))
    line = "at 96 pixels the images need 0.0003387 GB on cpu, but only 0.0003 may be used: worker processes will"
    assert line in capsys.readouterr().out
    monkeypatch.setattr("votepose.training.pictures._free_bytes", lambda device: 100_000)  # nor in memory
    run(replace(config, out=tmp_path / "reread", workers=1))
    assert "worker processes will augment them" in capsys.readouterr().out
    monkeypatch.setattr("votepose.training.pictures._free_bytes", lambda device: 500_000)
    run(replace(config, out=tmp_path / "smaller", canvas=80))
    assert "the images need" not in capsys.readouterr().out
    states = [checkpoint(tmp_path / name)["state_dict"] for name in ("not", "reread")]
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)


def test_a_training_that_diverges_ends_and_spoils_no_weights(data: Path, tmp_path: Path) -> None:
    config = tiny_config(data, tmp_path, learning_rate=1e9)
    with pytest.raises(VoteposeError, match="the loss at step 2 is not finite"):
        run(config)
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_line() -> None:
    with pytest.raises(VoteposeError, match=r"/dev: the checkpoint cannot be written \(No space left on device\)$"):
        PlainFiles().save_checkpoint({"state_dict": {"a": torch.zeros(100)}}, "/dev/full")


def test_a_full_gpu_is_one_line(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("votepose.training.lightning_module.PoseModule.training_step", fill)
    with pytest.raises(VoteposeError, match="memory with --batch-size 2: try --batch-size 1"):
        run(tiny_config(data, tmp_path))


def test_an_image_too_small_for_a_batch_of_one_is_one_line(data: Path, tmp_path: Path) -> None:
    deep = replace(tiny.PRESET, network=replace(tiny.NETWORK, depth=4))
    with pytest.raises(VoteposeError, match="use a larger --batch-size than 1, or a larger --input-size"):
        fit(tiny_config(data, tmp_path, batch_size=1), deep)


def test_the_best_weights_are_kept_and_a_run_without_progress_ends(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aps = iter([0.2, 0.3, 0.25, 0.1])
    monkeypatch.setattr("votepose.training.lightning_module.find_people", lambda *_: [])
    monkeypatch.setattr(
        "votepose.training.lightning_module.metrics_of", lambda *_: KeypointMetrics(next(aps), 0, 0, 0, 0, 0)
    )
    config = tiny_config(data, tmp_path, steps=2, steps_per_epoch=1, val=data, evaluate_every=1, patience=2)
    run(config)
    output = capsys.readouterr().out
    assert f"AP on {data}: 2 steps of 2 images at 64 pixels\n" in output
    assert f"\nAP 0.300, best 0.300 at step 2\nweights: {tmp_path}/weights.safetensors\nnext: " in output
    best = load_network(tmp_path / "best.safetensors")[0].state_dict()
    torch.testing.assert_close(best, load_network(tmp_path / "weights.safetensors")[0].state_dict(), rtol=0, atol=0)
    run(replace(config, steps=10, resume=True))
    assert checkpoint(tmp_path)["global_step"] == 4
    output = capsys.readouterr().out
    assert "\nAP has not risen in 2 measurements: stopped early\nAP 0.100, best 0.300 at step 2\n" in output
    assert f"votepose export --weights {tmp_path}/best.safetensors" in output
    after = load_network(tmp_path / "best.safetensors")[0].state_dict()
    torch.testing.assert_close(after, best, rtol=0, atol=0)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The APs measured so far: 0.1, 0.2 and so on."""
    aps: list[float] = []

    def measure(*_: object) -> KeypointMetrics:
        aps.append((len(aps) + 1) / 10)
        return KeypointMetrics(aps[-1], 0, 0, 0, 0, 0)

    monkeypatch.setattr("votepose.training.lightning_module.find_people", lambda *_: [])
    monkeypatch.setattr("votepose.training.lightning_module.metrics_of", measure)
    return aps


@pytest.mark.parametrize(("steps", "every", "times"), [(1, 4, 1), (3, 2, 2), (4, 2, 2)])
def test_ap_is_measured_at_the_end_but_once(
    data: Path,
    tmp_path: Path,
    measured: list[float],
    capsys: pytest.CaptureFixture[str],
    steps: int,
    every: int,
    times: int,
) -> None:
    config = tiny_config(data, tmp_path, steps=steps, steps_per_epoch=1, val=data, evaluate_every=every)
    run(config)
    assert len(measured) == times
    assert f"\nAP {times / 10:.3f}, best {times / 10:.3f} at step {steps}\n" in capsys.readouterr().out
    assert (tmp_path / "best.safetensors").is_file()
    run(replace(config, resume=True))  # which has nothing left to train
    assert len(measured) == times


def test_ap_is_measured_when_the_minutes_are_over(
    data: Path,
    tmp_path: Path,
    measured: list[float],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seconds = itertools.count(step=4)
    monkeypatch.setattr("pytorch_lightning.callbacks.timer.time", SimpleNamespace(monotonic=lambda: next(seconds)))
    run(tiny_config(data, tmp_path, steps=1000, steps_per_epoch=500, minutes=0.5, val=data))
    assert len(measured) == 1
    assert "\nAP 0.100, best 0.100 at step " in capsys.readouterr().out


@pytest.mark.parametrize(("option", "rate"), [(None, 3e-3), (2e-3, 2e-3)])
def test_the_papers_rate_follows_the_mean_loss_of_an_epoch(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: float | None, rate: float
) -> None:
    losses, forward = list[float](), VoteStage.forward

    def recorded(self: VoteStage, *inputs: Any) -> dict[str, Tensor]:
        parts = forward(self, *inputs)
        losses.append(parts["total"].item())
        return parts

    monkeypatch.setattr(VoteStage, "forward", recorded)
    run(tiny_config(data, tmp_path, paper=True, learning_rate=option))
    state = checkpoint(tmp_path)
    (plateau,) = state["lr_schedulers"]
    assert plateau["best"] == pytest.approx(min(sum(losses[:2]), sum(losses[2:])) / 2)
    assert set(plateau["min_lrs"]) == {1e-4}
    assert state["optimizer_states"][0]["param_groups"][0]["lr"] == rate


def test_two_processes_share_the_samples(data: Path, tmp_path: Path) -> None:
    # Images without people leave parts of the network without gradient.
    write_coco(synthetic_dataset(4, size=96, people=(0, 0)), tmp_path / "empty")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    options = {"steps": 4, "batch-size": 1, "devices": 2, "val": data, "evaluate-every": 2, "evaluate-images": 2}
    call = [
        *torchrun,
        *command(tmp_path / "empty", tmp_path / "out", **options),
        "--data",
        f"{tmp_path / 'empty'}",
        f"{data}:1e-9",
    ]
    # torchrun leaves a folder behind
    done = subprocess.run(call, capture_output=True, text=True, env=ENVIRONMENT | {"TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr[-3000:]
    seen = {rank: {int(i) for r, i in re.findall(r"sample (\d) (\d+)", done.stdout) if r == rank} for rank in "01"}
    assert seen["0"] == {0, 2, 4, 6}
    assert seen["1"] == {1, 3, 5, 7}
    assert checkpoint(tmp_path / "out")["global_step"] == 4
    load_network(tmp_path / "out" / "weights.safetensors")


def test_a_run_ends_when_its_minutes_are_over_and_the_rate_with_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count(step=4)  # a clock that advances by four seconds at each reading
    monkeypatch.setattr("pytorch_lightning.callbacks.timer.time", SimpleNamespace(monotonic=lambda: next(seconds)))
    config = tiny_config(data, tmp_path, steps=1000, steps_per_epoch=500, minutes=0.5, learning_rate=1e-3)
    run(config)
    first = checkpoint(tmp_path)
    assert 2 < first["global_step"] < 30
    assert first["optimizer_states"][0]["param_groups"][0]["lr"] < 1e-3 / 5
    assert (tmp_path / "weights.safetensors").is_file()
    run(replace(config, resume=True, minutes=1.0))
    assert first["global_step"] < checkpoint(tmp_path)["global_step"] < 60
