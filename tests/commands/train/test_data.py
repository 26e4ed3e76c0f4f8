"""Labels: another skeleton, validation, and mistakes, each in one line."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers import tiny
from helpers.train_runs import tiny_config
from votepose.commands.train import run
from votepose.data.augment_config import AugmentConfig
from votepose.errors import VoteposeError
from votepose.models.checkpoint import load_network
from votepose.training.config import parse_source


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
    config = tiny_config(sticks, tmp_path / "run", weights=start, val=sticks, evaluate_every=1, evaluate_images=2)
    run(config)
    assert "weights for person (17 keypoints), used for stick (5 keypoints): kept: " in capsys.readouterr().out
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
    run(tiny_config(data, tmp_path / "run", val=val, evaluate_every=1, evaluate_images=2, steps=2))
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


def test_people_of_unusable_images_are_not_counted(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = edited(data, tmp_path / "broken", lambda content: None)
    people = [a["image_id"] for a in json.loads((broken / "annotations.json").read_bytes())["annotations"]]
    (broken / "images" / "000001.png").write_bytes(b"")
    run(tiny_config(broken, tmp_path / "run", steps=1))
    assert f"on 5 images with {len(people) - people.count(1)} people" in capsys.readouterr().out


def of_no_picture(content: dict[str, Any]) -> None:
    for annotation in content["annotations"]:
        annotation["image_id"] += 100


@pytest.mark.parametrize(
    ("option", "change", "message"),
    [
        ("data", of_no_picture, "has no labelled keypoints to train on"),
        ("val", of_five_joints, "has a different skeleton from --data"),
        ("val", of_no_picture, "has no labelled keypoints to measure on"),
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
        ({"teacher": Path("lite")}, "add --stage distill"),
        ({"patience": 2}, "--patience needs --val"),
        ({"patience": 0}, "--patience should be at least 1"),
        ({"minutes": 0.0}, "--minutes should be above 0"),
        ({"steps": 0}, "--steps should be at least 1, but is 0"),
        ({"steps_per_epoch": 0}, "--steps-per-epoch should be at least 1"),
        ({"workers": -1}, "--workers should be at least 0"),
        ({"clip": 0.0}, "--clip should be above 0"),
        ({"learning_rate": float("nan")}, "--learning-rate should be above 0"),
        ({"weight_decay": -1.0}, "--weight-decay should be at least 0"),
        ({"average": 1.0}, "--average should be at least 0 and below 1"),
        ({"augment": AugmentConfig(scale=(1.8, 0.6))}, "--scale should be two numbers above 0, the smaller first"),
        ({"augment": AugmentConfig(mosaic=float("nan"))}, "--mosaic should be in [0, 1]"),
        ({"data": ()}, "--data needs at least one folder"),
        ({"resident": True, "from_disk": True}, "--resident and --from-disk contradict each other"),
        ({"evaluate_images": 3}, "--evaluate-images needs --val"),
        ({"crop_images": 3}, "--crop-images needs --crops"),
        ({"weights": Path("bundled"), "pretrained": True}, "--pretrained: --weights already sets the whole network"),
        ({"resume": True}, "start without --resume"),
        ({"preset": "huge"}, "no preset 'huge'"),
        (
            {"preset": "lite", "stage": "backbone-heads"},
            "the lite backbone has no proposals: use --preset movenet",
        ),
        ({"preset": "maxvit", "stage": "refiner"}, "the maxvit network has no refiner"),
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


def test_a_source_is_a_folder_a_weight_and_a_use() -> None:
    assert parse_source("a/b") == (Path("a/b"), 1.0, False)
    assert parse_source("a:0.2") == (Path("a"), 0.2, False)
    assert parse_source("a:0.2:mosaic") == (Path("a"), 0.2, True)
    assert parse_source("C:\\a") == (Path("C:\\a"), 1.0, False)
    assert parse_source("a:b/c:0.2") == (Path("a:b/c"), 0.2, False)
