"""`votepose train`: resuming is exact, killing costs little, two processes share the work, mistakes are one line."""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from helpers import tiny
from votepose.commands.main import main
from votepose.commands.train import run
from votepose.data.coco_writer import write_coco
from votepose.data.toy import synthetic_dataset
from votepose.errors import VoteposeError
from votepose.evaluation.coco_metrics import KeypointMetrics
from votepose.models import presets
from votepose.models.backbones.thunder import Thunder
from votepose.models.checkpoint import load_network
from votepose.training.checkpoints import Checkpoints
from votepose.training.config import TrainConfig, parse_source
from votepose.training.lightning_module import PoseModule

TESTS = str(Path(tiny.__file__).parents[1])
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([TESTS, os.environ.get("PYTHONPATH", "")])}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_data(tmp_path_factory.mktemp("data") / "drawn")


@pytest.fixture(autouse=True)
def _tiny_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(presets._PRESETS, "movenet", tiny.PRESET)
    tiny.train_on_few_poses(monkeypatch)


def tiny_config(data: Path, out: Path, **changes: Any) -> TrainConfig:
    config = TrainConfig(
        (str(data),),
        out,
        freeze="none",
        steps=4,
        steps_per_epoch=2,
        batch_size=2,
        warmup=2,
        average=0.5,
        precision="32-true",
        accelerator="cpu",
        workers=0,
    )
    return replace(config, **changes)


def command(data: Path, out: Path, **options: Any) -> list[str]:
    """The same, as a command line."""
    options = {
        "data": data,
        "out": out,
        "freeze": "none",
        "steps": 4,
        "steps-per-epoch": 2,
        "batch-size": 2,
        "warmup": 2,
        "average": 0.5,
        "precision": "32-true",
        "accelerator": "cpu",
        "workers": 0,
    } | options
    flags = [str(part) for key, value in options.items() for part in (f"--{key}", value) if part is not True]
    return ["-m", "helpers.tiny", "train", *flags]


def checkpoint(out: Path) -> dict[str, Any]:
    return torch.load(out / "last.ckpt", weights_only=False, map_location="cpu")


class StopError(Exception):
    """Stands for a power cut."""


@pytest.mark.parametrize("changed", [{}, {"paper": True}, {"resident": True}])
def test_stop_and_resume_equals_no_stop(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, bool]
) -> None:
    changes = changed | {"val": data, "evaluate_every": 1, "evaluate_pictures": 2, "steps": 5}
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
    config = tiny_config(data, tmp_path / "out", steps=2, val=data, evaluate_every=1, evaluate_pictures=2)
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
    line = "at 96 pixels the images need 338688 bytes on cpu, but only 300000 may be used: training from disk instead"
    assert line in capsys.readouterr().out
    monkeypatch.setattr("votepose.training.pictures._free_bytes", lambda device: 100_000)  # nor in memory
    run(replace(config, out=tmp_path / "reread", workers=1))
    assert "training from disk instead" in capsys.readouterr().out
    monkeypatch.setattr("votepose.training.pictures._free_bytes", lambda device: 500_000)
    run(replace(config, out=tmp_path / "smaller", canvas=80))
    assert "the images need" not in capsys.readouterr().out
    states = [checkpoint(tmp_path / name)["state_dict"] for name in ("not", "reread")]
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)


def test_a_full_gpu_is_one_line(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("votepose.training.lightning_module.PoseModule.training_step", fill)
    with pytest.raises(VoteposeError, match="memory with --batch-size 2: try --batch-size 1"):
        run(tiny_config(data, tmp_path))


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
    step = PoseModule.training_step

    def interrupted(self: PoseModule, *args: Any) -> torch.Tensor:
        if self.global_step == 3:
            os.kill(os.getpid(), number)
        return step(self, *args)

    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(PoseModule, "training_step", interrupted)
    assert main(command(data, tmp_path)[2:]) == 130
    last = tmp_path / "last.ckpt"
    assert capfd.readouterr().err == f"votepose: stopped at step 3; --resume continues from step 2 ({last})\n"
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_best_weights_are_kept_and_a_run_without_progress_ends(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aps = iter([0.2, 0.3, 0.25, 0.1])
    monkeypatch.setattr("votepose.training.lightning_module.coco_results", lambda *_: [])
    monkeypatch.setattr(
        "votepose.evaluation.coco_metrics.coco_keypoint_metrics", lambda *_: KeypointMetrics(next(aps), 0, 0, 0, 0, 0)
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


def test_two_processes_share_the_samples(data: Path, tmp_path: Path) -> None:
    # Images without people leave parts of the network without gradient.
    write_coco(synthetic_dataset(4, size=96, people=(0, 0)), tmp_path / "empty")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    options = {"steps": 4, "batch-size": 1, "devices": 2, "val": data, "evaluate-every": 2, "evaluate-pictures": 2}
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


def test_a_finished_run_goes_on_with_more_steps_and_other_epochs(data: Path, tmp_path: Path) -> None:
    config = tiny_config(data, tmp_path, steps=3)
    run(config)
    run(replace(config, steps=9, steps_per_epoch=5, resume=True))
    assert checkpoint(tmp_path)["global_step"] == 9


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


def test_the_backbone_heads_stage_changes_only_the_backbone(data: Path, tmp_path: Path) -> None:
    start = tiny.write_weights(tmp_path / "start.safetensors")
    run(tiny_config(data, tmp_path / "run", weights=start, stage="backbone-heads", freeze=None))
    before, after = (load_network(path)[0].state_dict() for path in (start, tmp_path / "run" / "weights.safetensors"))
    changed = {name.removeprefix("backbone.trunk.") for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not any(name.startswith(("stem.", "blocks.0.", "blocks.2.")) for name in changed)
    assert {name for name in before if name.startswith("backbone.trunk.")} >= {f"backbone.trunk.{n}" for n in changed}


def test_the_distill_stage_changes_only_backbone_and_f(data: Path, tmp_path: Path) -> None:
    start = tiny.write_weights(tmp_path / "start.safetensors")
    run(tiny_config(data, tmp_path / "run", weights=start, stage="distill"))
    run(tiny_config(data, tmp_path / "run", weights=start, stage="distill", steps=6, resume=True))
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


def test_the_refiner_trains_on_regions_that_are_cut_once(data: Path, tmp_path: Path) -> None:
    start, crops = tiny.write_weights(tmp_path / "start.safetensors"), tmp_path / "crops"
    config = tiny_config(data, tmp_path / "run", weights=start, stage="refiner", freeze=None, crops=crops)
    run(config)
    files = {path: path.stat().st_mtime_ns for path in crops.iterdir()}
    run(replace(config, steps=6, resume=True))
    assert {path: path.stat().st_mtime_ns for path in crops.iterdir()} == files
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


def edited(data: Path, folder: Path, change: Any) -> Path:
    """A copy of a data folder with another json."""
    shutil.copytree(data, folder)
    path = folder / "annotations.json"
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content))
    return folder


def of_five_joints(content: dict[str, Any]) -> None:
    content["categories"][0] |= {
        "name": "stick",
        "keypoints": ["head", "hand_a", "hand_b", "foot_a", "foot_b"],
        "skeleton": [[1, 2], [1, 3]],
        "sigmas": [0.1] * 5,
        "flip_pairs": [["hand_a", "hand_b"], ["foot_a", "foot_b"]],
    }
    for annotation in content["annotations"]:
        points = annotation["keypoints"]
        annotation["keypoints"] = [v for k in (0, 9, 10, 15, 16) for v in points[3 * k : 3 * k + 3]]


def test_another_skeleton_starts_from_weights_of_people(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start, sticks = tiny.write_weights(tmp_path / "start.safetensors"), edited(data, tmp_path / "five", of_five_joints)
    config = tiny_config(sticks, tmp_path / "run", weights=start, val=sticks, evaluate_every=1, evaluate_pictures=2)
    run(config)
    assert "weights of a person with 17 keypoints, for a stick with 5 keypoints: kept: " in capsys.readouterr().out
    network, metadata = load_network(tmp_path / "run" / "weights.safetensors")
    assert metadata.skeleton.flip.tolist() == [0, 2, 1, 4, 3]
    assert (network.config.keypoints, network.config.proposals) == (5, False)
    again = replace(config, weights=tmp_path / "run" / "weights.safetensors", out=tmp_path / "again", steps=2)
    run(again)  # the trained weights are of this skeleton
    assert ": kept: " not in capsys.readouterr().out
    with pytest.raises(VoteposeError, match=r"another skeleton, .*--stage votes$"):
        run(replace(config, out=tmp_path / "refused", stage="refiner", freeze=None))


def test_validation_reads_labels_as_the_loader_does(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(content: dict[str, Any]) -> None:
        for annotation in content["annotations"]:
            annotation.update(id="a", image_id=str(annotation["image_id"]), area=float("nan"), iscrowd=None)
            annotation["keypoints"][:3] = [None] * 3

    val = edited(data, tmp_path / "val", change)
    run(tiny_config(data, tmp_path / "run", val=val, evaluate_every=1, evaluate_pictures=2, steps=2))
    output = capsys.readouterr().out
    assert re.search(r"^epoch +step  images/s +AP +AP50 .*\n +0 +2 +[\d.]+ +0\.\d{3} +0\.\d{3} ", output, re.MULTILINE)
    assert "an annotation's area is nan; taken from its box" in output


def test_names_without_sides_are_remarked_on_once(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(content: dict[str, Any]) -> None:
        of_five_joints(content)
        del content["categories"][0]["flip_pairs"]

    run(tiny_config(edited(data, tmp_path / "data", change), tmp_path / "run", steps=2))
    assert capsys.readouterr().out.count("5 of 5 keypoints have no left-right counterpart by their names") == 1


def of_no_picture(content: dict[str, Any]) -> None:
    for annotation in content["annotations"]:
        annotation["image_id"] += 100


@pytest.mark.parametrize(
    ("option", "change", "message"),
    [
        ("data", of_no_picture, "has no labelled keypoints to train on"),
        ("val", of_five_joints, "has a different skeleton from --data"),
    ],
)
def test_labels_that_teach_nothing_are_refused(
    data: Path, tmp_path: Path, option: str, change: Any, message: str
) -> None:
    folder = edited(data, tmp_path / "folder", change)
    config = tiny_config(data, tmp_path / "run")
    given = {"data": (str(folder),)} if option == "data" else {"val": folder}
    with pytest.raises(VoteposeError, match=message):
        run(replace(config, **given))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"aux_weights": Path("thunder.safetensors"), "preset": "lite"},
            "the lite network cannot use them: use --preset movenet",
        ),
        ({"crops": Path("crops")}, "add --stage refiner"),
        ({"patience": 2}, "--patience needs --val"),
        ({"patience": 0}, "--patience should be at least 1"),
        ({"minutes": 0.0}, "--minutes should be above 0"),
        ({"resume": True}, "start without --resume"),
        ({"preset": "huge"}, "no preset 'huge'"),
        (
            {"preset": "lite", "stage": "backbone-heads"},
            "the lite backbone has no proposals: use --preset movenet",
        ),
        ({"preset": "mobile", "stage": "refiner"}, "the mobile network has no refiner"),
        ({"stage": "refiner", "freeze": "stem"}, "leave out --freeze"),
        ({"preset": "lite", "stage": "joint"}, "needs pose proposals and an auxiliary backbone: use --preset movenet"),
        ({"data": ("nowhere",)}, "nowhere/annotations.json: not found"),
        ({"data": ("nowhere:much",)}, "'much' is not a weight"),
        ({"data": ("nowhere:-1",)}, "above 0"),
        ({"data": ("nowhere:1:collage",)}, "DIR:0.5:mosaic"),
        ({"weights": Path("nothing.safetensors")}, "no such weights file"),
    ],
)
def test_mistakes_are_one_line(data: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(VoteposeError) as error:
        run(replace(tiny_config(data, tmp_path), **changes))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_existing_run_is_not_begun_anew(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "last.ckpt").touch()
    assert main(command(data, tmp_path)[2:]) == 2
    assert "continue it with --resume" in capsys.readouterr().err


def test_a_broken_checkpoint_is_one_line(data: Path, tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_text("no checkpoint")
    with pytest.raises(VoteposeError, match="not a readable checkpoint"):
        run(tiny_config(data, tmp_path, resume=True))


def test_a_checkpoint_of_another_stage_is_one_line(data: Path, tmp_path: Path) -> None:
    config = tiny_config(data, tmp_path, steps=1)
    run(config)
    start = tmp_path / "weights.safetensors"
    before = (tmp_path / "last.ckpt").read_bytes()
    with pytest.raises(VoteposeError, match=r"another preset, stage or version .* --weights .*weights.safetensors$"):
        run(replace(config, steps=2, stage="distill", weights=start, resume=True))
    assert (tmp_path / "last.ckpt").read_bytes() == before


def test_a_source_is_a_folder_a_weight_and_a_use() -> None:
    assert parse_source("a/b") == (Path("a/b"), 1.0, False)
    assert parse_source("a:0.2") == (Path("a"), 0.2, False)
    assert parse_source("a:0.2:mosaic") == (Path("a"), 0.2, True)
