"""`votepose convert`: there and back, what is lost, and wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from votepose.commands.main import main
from votepose.data.coco_writer import write_coco
from votepose.data.labelled import load_labelled
from votepose.data.toy import synthetic_dataset
from votepose.skeleton import COCO_17


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    train, val = tmp_path / "train", tmp_path / "val"
    write_coco(synthetic_dataset(3, 96, people=(1, 2)), train)
    write_coco(synthetic_dataset(2, 96, people=(1, 2), seed=1), val)
    return train, val


def edit(folder: Path, **first: object) -> None:
    """Change the first annotation."""
    path = folder / "annotations.json"
    data = json.loads(path.read_text())
    data["annotations"][0] |= first
    path.write_text(json.dumps(data))


def test_there_and_back(tmp_path: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    yolo, back = tmp_path / "yolo", tmp_path / "back"
    assert main(["convert", *map(str, folders), "--out", str(yolo)]) == 0
    out = capsys.readouterr().out
    assert "train: 3 images with" in out
    assert "val: 2 images with" in out
    assert "not held by the format: people's areas\n" in out
    described = yaml.safe_load((yolo / "data.yaml").read_text())
    assert (described["train"], described["val"], described["kpt_shape"]) == ("images/train", "images/val", [17, 3])
    assert main(["convert", str(yolo), "--out", str(back)]) == 0
    (category,) = json.loads((back / "train" / "annotations.json").read_text())["categories"]
    assert category["skeleton"] == COCO_17.to_coco_category()["skeleton"]
    for source in folders:
        a, b = load_labelled(source), load_labelled(back / source.name)
        assert [s.name for s in a.samples] == [s.name for s in b.samples]
        assert all(abs(x.keypoints - y.keypoints).max() < 1e-3 for x, y in zip(a.samples, b.samples, strict=True))
        for sample in a.samples:
            copies = {(f / sample.name).read_bytes() for f in (source / "images", back / source.name / "images")}
            assert len(copies) == 1


def test_one_folder_is_both_train_and_val(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    assert main(["convert", str(folders[0]), "--out", str(tmp_path / "yolo")]) == 0
    described = yaml.safe_load((tmp_path / "yolo/data.yaml").read_text())
    assert described["train"] == described["val"] == "images/train"


def test_what_yolo_cannot_hold_is_said(
    tmp_path: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    edit(folders[0], iscrowd=1)
    points = json.loads((folders[1] / "annotations.json").read_text())["annotations"][0]["keypoints"]
    edit(folders[1], keypoints=[-9.0, 5.0, 2, *points[3:]])
    assert main(["convert", *map(str, folders), "--out", str(tmp_path / "yolo")]) == 0
    wanted = "not held by the format: people's areas, 1 regions of crowds, 1 keypoints outside of their image"
    assert wanted in capsys.readouterr().out


def test_a_person_without_keypoints_stays_an_ignored_region(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    edit(folders[0], keypoints=[], num_keypoints=0)
    assert main(["convert", str(folders[0]), "--out", str(tmp_path / "yolo")]) == 0
    assert (
        len(load_labelled(tmp_path / "yolo").samples[0].ignore) == len(load_labelled(folders[0]).samples[0].ignore) == 1
    )


def test_images_that_cannot_be_written_are_named(
    tmp_path: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = folders[0] / "annotations.json"
    data = json.loads(path.read_text())
    data["images"][0]["file_name"] = "../../evil.png"
    data["images"][1]["file_name"] = "000003.jpg"
    (folders[0] / "images/000003.jpg").write_bytes((folders[0] / "images/000002.png").read_bytes())
    path.write_text(json.dumps(data))
    assert main(["convert", str(folders[0]), "--out", str(tmp_path / "yolo")]) == 1
    out = capsys.readouterr().out
    assert "../../evil.png: its name points outside the folder; left out" in out
    assert "000003.png: another image has the label file 000003.txt; left out" in out
    assert not list(tmp_path.parent.glob("evil*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give COCO folders, or one YOLO data.yaml"),
        (["nowhere"], "not found; a data folder holds annotations.json"),
        (["nowhere.yaml"], "nowhere.yaml: not found"),
        (["train", "data.yaml"], "data.yaml: is a YOLO dataset; give no other folders with it"),
        (["train", "val", "val", "val"], "is one folder too many"),
        (["train", "--out", "val"], "val: exists and is not an empty folder; choose another --out"),
    ],
)
def test_wrong_input_is_one_line(
    tmp_path: Path,
    folders: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = {path: path.stat().st_size for path in tmp_path.rglob("*")}
    assert main(["convert", *arguments, *([] if "--out" in arguments else ["--out", "new"])]) == 2
    captured = capsys.readouterr().err
    assert message in captured
    assert captured.count("\n") == 1
    assert {path: path.stat().st_size for path in tmp_path.rglob("*")} == before


def test_a_split_that_repeats_another_is_not_written_again(
    tmp_path: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(folders[0]), "--out", str(tmp_path / "yolo")]) == 0
    assert "val: the images of train" in capsys.readouterr().out
    assert main(["convert", str(tmp_path / "yolo"), "--out", str(tmp_path / "back")]) == 0
    assert "val: the images of train; not written again" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["train"]


def test_only_what_was_written_is_counted(
    tmp_path: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    gone = next((folders[0] / "images").iterdir())
    gone.unlink()
    people = sum(len(sample.keypoints) for sample in load_labelled(folders[0]).samples)
    assert main(["convert", str(folders[0]), "--out", str(tmp_path / "yolo")]) == 1
    assert f"train: 2 images with {people} people" in capsys.readouterr().out


def test_a_person_whose_box_is_outside_gets_one_around_the_joints(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    edit(folders[0], bbox=[500, 10, 30, 30])
    assert main(["convert", str(folders[0]), "--out", str(tmp_path / "yolo")]) == 0
    before, after = load_labelled(folders[0]), load_labelled(tmp_path / "yolo/data.yaml")
    assert abs(before.samples[0].boxes - after.samples[0].boxes).max() < 1e-3


def test_which_joint_is_left_survives(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    path = folders[0] / "annotations.json"
    data = json.loads(path.read_text())
    names = [f"joint_{k}" for k in range(17)]
    data["categories"][0] |= {"keypoints": names, "flip_pairs": [[4, 1], [2, 3]]}
    path.write_text(json.dumps(data))
    assert main(["convert", str(folders[0]), "--out", str(tmp_path / "yolo")]) == 0
    assert load_labelled(tmp_path / "yolo").skeleton.pairs == ((3, 0), (1, 2))
