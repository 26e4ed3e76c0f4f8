"""scripts/train_coco.py: COCO's own layout in, one command for each network."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from helpers.scripts_of import script
from votepose.commands.parsing import parse
from votepose.commands.train import GROUPS
from votepose.errors import VoteposeError
from votepose.inference.weights import resolve_weights
from votepose.training.config import TrainConfig

coco = script("train_coco")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three training images: two people with keypoints in the first, one without in the second."""
    root = tmp_path / "coco"
    people = [(1, 17), (1, 3), (2, 0)]
    for split in ("train2017", "val2017"):
        (root / split).mkdir(parents=True)
        (root / "annotations").mkdir(exist_ok=True)
        data = {
            "images": [{"id": i, "file_name": f"{i}.jpg", "width": 8, "height": 8} for i in (1, 2, 3)],
            "annotations": [{"id": k, "image_id": i, "num_keypoints": n} for k, (i, n) in enumerate(people)],
            "categories": [],
        }
        (root / "annotations" / f"person_keypoints_{split}.json").write_text(json.dumps(data))
    return root


def test_images_with_labelled_people_are_trained_on(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    for _ in range(2):
        assert coco.prepare(folder, out) == 1
    trained, measured = (
        json.loads((out / split / "annotations.json").read_text()) for split in ("train2017", "val2017")
    )
    assert [image["id"] for image in trained["images"]] == [1]
    assert len(trained["annotations"]) == 2
    assert len(measured["images"]) == len(measured["annotations"]) == 3
    assert (out / "train2017" / "images").resolve() == (folder / "train2017").resolve()


def test_what_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "annotations" / "person_keypoints_val2017.json").unlink()
    with pytest.raises(VoteposeError, match=r"person_keypoints_val2017\.json: is missing"):
        coco.prepare(folder, tmp_path / "runs")


def test_every_command_is_one_of_train(folder: Path, tmp_path: Path) -> None:
    config = coco.Config(folder, tmp_path / "runs")
    legs = [leg for network in config.networks for leg in coco.LEGS[network]]
    for leg in legs:
        words = coco.command(leg, config, 56_599)
        options = parse(TrainConfig, "train", words[2:], GROUPS)
        assert options.steps == 56_599 * leg.passes // leg.batch
        assert not options.pretrained  # which would download
    rehearsal = coco.command(legs[0], coco.Config(folder, tmp_path / "runs", rehearse=True), 56_599)
    assert parse(TrainConfig, "train", rehearsal[2:], GROUPS).steps == 2
    assert "0.8 hours" in coco.hours(coco.LEGS["lite"][0], 56_599)
    assert "not measured" in coco.hours(coco.LEGS["mobile"][0], 56_599)
    assert all(resolve_weights(name, ".safetensors").is_file() for name in ("lite", "mobile"))


def test_finished_legs_are_left_out_and_others_continue(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    ran: list[list[str]] = []

    def run(words: list[str], **_: Any) -> None:
        ran.append(words)
        if "train" in words:
            (Path(words[words.index("--out") + 1])).mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(subprocess, "run", run)
    coco.main(coco.Config(folder, out, ("maxvit",), dry_run=True))
    assert not ran
    assert shlex.split(capsys.readouterr().out.strip().splitlines()[1])[:2] == ["votepose", "train"]
    (out / "maxvit-distill").mkdir()
    (out / "maxvit-distill" / "last.ckpt").touch()
    coco.main(coco.Config(folder, out, ("maxvit",)))
    assert ["--resume" in words for words in ran] == [True, False, False]
    assert "evaluate" in ran[2]
    assert ran[1][ran[1].index("--weights") + 1] == str(out / "maxvit-distill" / "weights.safetensors")
    coco.main(coco.Config(folder, out, ("maxvit",)))
    assert len(ran) == 3
