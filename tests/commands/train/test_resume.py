"""Resuming is exact, and stopping or killing a run costs little."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers.train_runs import ENVIRONMENT, checkpoint, command, tiny_config
from votepose.commands.main import main
from votepose.commands.train import run
from votepose.errors import VoteposeError
from votepose.models.checkpoint import load_network
from votepose.training.checkpoints import Checkpoints
from votepose.training.lightning_module import PoseModule


class StopError(Exception):
    """Stands for a power cut."""


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"paper": True},
        {"resident": True},
        {"stage": "backbone-heads", "learning_rate": 0.03},  # whose weights change their optimiser group
    ],
)
def test_stop_and_resume_equals_no_stop(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    changes = changed | {"val": data, "evaluate_every": 1, "evaluate_images": 2, "steps": 5}
    run(tiny_config(data, tmp_path / "whole", **changes))
    with monkeypatch.context() as patch:
        save = Checkpoints.on_train_epoch_end

        def save_and_stop(self: Checkpoints, *args: Any) -> None:
            save(self, *args)
            raise StopError

        patch.setattr(Checkpoints, "on_train_epoch_end", save_and_stop)
        for resume in (False, True):
            with pytest.raises(StopError):
                run(tiny_config(data, tmp_path / "stopped", resume=resume, **changes))
            assert checkpoint(tmp_path / "stopped")["global_step"] == (4 if resume else 2)
    run(tiny_config(data, tmp_path / "stopped", resume=True, **changes))
    whole, stopped = checkpoint(tmp_path / "whole"), checkpoint(tmp_path / "stopped")
    assert whole["global_step"] == stopped["global_step"] == 5
    for part in ("state_dict", "current_model_state", "optimizer_states"):
        torch.testing.assert_close(stopped[part], whole[part], rtol=0, atol=0)
    first, second = (load_network(tmp_path / name / "weights.safetensors")[0] for name in ("whole", "stopped"))
    torch.testing.assert_close(second.state_dict(), first.state_dict(), rtol=0, atol=0)


def test_a_run_leaves_logs_and_resuming_a_finished_one_changes_nothing(data: Path, tmp_path: Path) -> None:
    config = tiny_config(data, tmp_path / "out", steps=2, val=data, evaluate_every=1, evaluate_images=2)
    run(config)
    (table,) = (tmp_path / "out").glob("csv/*/metrics.csv")
    columns = table.read_text().splitlines()[0].split(",")
    assert {"loss/total", "val/ap", "val/ap50"} <= set(columns)
    (events,) = (tmp_path / "out").glob("tensorboard/*/events.*")
    assert events.stat().st_size > 0
    for kind in ("csv", "tensorboard"):
        (options,) = (tmp_path / "out").glob(f"{kind}/*/hparams.yaml")
        assert {"batch_size: 2", "stage: votes", "  mosaic: 0.2"} <= set(options.read_text().splitlines())
    before = checkpoint(tmp_path / "out")
    run(replace(config, resume=True))
    assert checkpoint(tmp_path / "out")["global_step"] == 2
    torch.testing.assert_close(checkpoint(tmp_path / "out")["state_dict"], before["state_dict"], rtol=0, atol=0)


def test_a_killed_run_goes_on_from_its_last_checkpoint(data: Path, tmp_path: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    with log.open("w") as stdout:
        process = subprocess.Popen(
            [sys.executable, *command(data, out, steps=10_000)], stdout=stdout, stderr=stdout, env=ENVIRONMENT
        )
        while not (out / "last.ckpt").is_file():
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        time.sleep(random.uniform(0, 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not re.search("Tip|LeafSpec|weights_only|GPU available|Seed set", log.read_text())  # Lightning's
    saved = checkpoint(out)["global_step"]
    done = max(int(step) for step in re.findall(r"step (\d+)", log.read_text()))
    assert saved % 2 == 0
    assert done - 2 <= saved <= done
    load_network(out / "weights.safetensors")
    run(tiny_config(data, out, steps=saved + 2, resume=True))
    assert checkpoint(out)["global_step"] == saved + 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_in_one_line(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], number: int
) -> None:
    step, handlers = PoseModule.training_step, list[Any]()

    def interrupted(self: PoseModule, *args: Any) -> torch.Tensor:
        if self.global_step == 3:
            handlers.append(signal.getsignal(signal.SIGTERM))
            os.kill(os.getpid(), number)
        return step(self, *args)

    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(PoseModule, "training_step", interrupted)
    assert main(command(data, tmp_path)[2:]) == 130
    last = tmp_path / "last.ckpt"
    assert capfd.readouterr().err == f"votepose: stopped at step 3; --resume continues from step 2 ({last})\n"
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    assert handlers[0].__module__ == "votepose.utils.signals"  # Lightning's lets several processes wait forever


def test_a_finished_run_goes_on_with_more_steps_and_other_epochs(data: Path, tmp_path: Path) -> None:
    config = tiny_config(data, tmp_path, steps=3)
    run(config)
    run(replace(config, steps=9, steps_per_epoch=5, resume=True))
    assert checkpoint(tmp_path)["global_step"] == 9


def test_an_existing_run_is_not_begun_anew(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "last.ckpt").touch()
    assert main(command(data, tmp_path)[2:]) == 2
    assert "continue it with --resume" in capsys.readouterr().err


def test_a_broken_checkpoint_is_one_line(data: Path, tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_text("no checkpoint")
    with pytest.raises(VoteposeError, match="not a readable checkpoint"):
        run(tiny_config(data, tmp_path, resume=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stage": "distill"}, "made with stage votes, not distill"),
        ({"learning_rate": 1e-5}, "made with learning_rate 0.0006, not 1e-05"),
        ({"freeze": "all"}, "of another network, skeleton, frozen part or version"),
    ],
)
def test_a_run_is_not_resumed_with_options_that_cannot_change(
    data: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    config = tiny_config(data, tmp_path, steps=1)
    run(config)
    before = (tmp_path / "last.ckpt").read_bytes()
    with pytest.raises(VoteposeError, match=f"cannot be resumed, as it .*{message}.* --weights .*weights.safetensors$"):
        run(replace(config, steps=2, resume=True, **changes))
    assert (tmp_path / "last.ckpt").read_bytes() == before
