"""YOLO pose folders: read as the same dataset in COCO's format is, written without loss, mistakes named by line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from votepose.data.coco_writer import write_coco
from votepose.data.labelled import LabelledDataset, LabelledFolder, load_labelled
from votepose.data.toy import synthetic_dataset
from votepose.data.yolo.labels import label_path
from votepose.data.yolo.writer import write_yolo
from votepose.errors import VoteposeError
from votepose.skeleton import COCO_17, Skeleton

COCO_FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


def make(folder: Path, labels: dict[str, str], size: tuple[int, int] = (200, 100), **changes: object) -> Path:
    """A data.yaml of images `a.jpg`, …, all as `train` and `val`, with two keypoints unless `changes` say otherwise."""
    content = {"train": "images", "val": "images", "names": {0: "person"}, "kpt_shape": [2, 3], "flip_idx": [1, 0]}
    (folder / "labels").mkdir(parents=True)
    (folder / "images").mkdir()
    for name, text in labels.items():
        Image.new("RGB", size, (90, 90, 90)).save(folder / "images" / f"{name}.jpg")
        (folder / "labels" / f"{name}.txt").write_text(text)
    kept = {key: value for key, value in (content | changes).items() if value is not None}
    (folder / "data.yaml").write_text(yaml.safe_dump(kept))
    return folder / "data.yaml"


def one(tmp_path: Path, text: str, **changes: object) -> LabelledDataset:
    return load_labelled(make(tmp_path / "d", {"a": text}, **changes))


PERSON = "0 0.5 0.5 0.2 0.4 0.45 0.4 2 0.55 0.6 1\n"


def test_a_line_is_a_person_in_pixels(tmp_path: Path) -> None:
    dataset = one(tmp_path, PERSON)
    (sample,) = dataset.samples
    np.testing.assert_allclose(sample.keypoints, [[[90, 40, 2], [110, 60, 1]]], rtol=1e-6)
    np.testing.assert_allclose(sample.boxes, [[80, 30, 40, 40]], rtol=1e-6)
    np.testing.assert_allclose(sample.areas, [0.53 * 1600], rtol=1e-6)
    assert (sample.name, sample.image_id, dataset.left_out) == ("a.jpg", 1, [])
    assert dataset.skeleton.names == ("keypoint_0", "keypoint_1")
    assert dataset.skeleton.flip.tolist() == [1, 0]
    assert not dataset.skeleton.side_remark


def test_the_same_people_as_in_coco_format(tmp_path: Path) -> None:
    write_coco(replace(synthetic_dataset(4, 96, people=(0, 3))), tmp_path / "coco")
    written = write_yolo({"train": LabelledFolder.open(tmp_path / "coco")}, tmp_path / "yolo")
    assert not written.remarks
    assert not any(written.lost.values())
    assert written.images["train"] == 4
    before, after = load_labelled(tmp_path / "coco"), load_labelled(tmp_path / "yolo" / "data.yaml")
    assert after.skeleton == COCO_17
    assert after.left_out == before.left_out == []
    for a, b in zip(before.samples, after.samples, strict=True):
        assert (a.image_id, a.name) == (b.image_id, b.name)
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_allclose(a.keypoints, b.keypoints, atol=1e-4)
        np.testing.assert_allclose(a.boxes, b.boxes, atol=1e-4)


def test_a_skeleton_of_its_own_survives(tmp_path: Path) -> None:
    skeleton = Skeleton(("tip", "wing b", "wing a"), ((0, 1), (0, 2)), (0.05, 0.1, 0.1), "bird", ((2, 1),))
    sample = replace(synthetic_dataset(1, 96, people=(2, 2)).samples[0])
    sample = replace(sample, keypoints=sample.keypoints[:, 5:8])
    write_coco(LabelledDataset([sample], skeleton), tmp_path / "coco")
    write_yolo({"train": LabelledFolder.open(tmp_path / "coco")}, tmp_path / "yolo")
    after = load_labelled(tmp_path / "yolo")
    assert (after.skeleton.names, after.skeleton.links, after.skeleton.sigmas, after.skeleton.category) == (
        skeleton.names,
        skeleton.links,
        skeleton.sigmas,
        "bird",
    )
    assert after.skeleton.flip.tolist() == [0, 2, 1]
    np.testing.assert_allclose(after.samples[0].keypoints, sample.keypoints, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "names", "pairs"),
    [
        ({"kpt_names": {0: ["right_eye", "left_eye"]}}, ("right_eye", "left_eye"), ((1, 0),)),
        ({"kpt_names": ["head", "tail"], "flip_idx": [0, 1]}, ("head", "tail"), ()),
        ({"flip_idx": None}, ("keypoint_0", "keypoint_1"), ()),
        ({"kpt_names": {0: ["l_ear", "r_ear"]}, "flip_idx": None}, ("l_ear", "r_ear"), ((0, 1),)),
    ],
)
def test_names_and_mirror_images(
    tmp_path: Path, changes: dict[str, object], names: tuple[str, ...], pairs: tuple[tuple[int, int], ...]
) -> None:
    skeleton = one(tmp_path, PERSON, **changes).skeleton
    assert (skeleton.names, skeleton.pairs) == (names, pairs)
    assert bool(skeleton.side_remark) == (changes == {"flip_idx": None})


@pytest.mark.parametrize(("flip", "is_coco"), [(COCO_FLIP, True), (list(range(17)), False), (None, False)])
def test_seventeen_keypoints_are_coco_s_if_they_mirror_like_them(tmp_path: Path, flip: object, is_coco: bool) -> None:
    row = "0 0.5 0.5 0.2 0.4" + " 0.5 0.5 2" * 17
    skeleton = one(tmp_path, row, kpt_shape=[17, 3], flip_idx=flip).skeleton
    assert (skeleton == COCO_17) == is_coco
    assert skeleton.names[0] == ("nose" if is_coco else "keypoint_0")


def test_two_values_per_keypoint_leave_out_what_is_at_the_corner(tmp_path: Path) -> None:
    dataset = one(tmp_path, "0 .5 .5 .2 .4 0 0 .5 .25\n0 .5 .5 .2 .4 -1 -1 0 .25", kpt_shape=[2, 2])
    np.testing.assert_allclose(
        dataset.samples[0].keypoints, [[[0, 0, 0], [100, 25, 2]], [[0, 0, 0], [0, 25, 2]]], rtol=1e-6
    )


def test_no_label_file_means_no_people_and_so_does_an_empty_one(tmp_path: Path) -> None:
    path = make(tmp_path / "d", {"a": PERSON, "b": "", "c": "\n"})
    Image.new("RGB", (64, 64)).save(tmp_path / "d/images/d.png")
    dataset = load_labelled(path)
    assert [len(sample.keypoints) for sample in dataset.samples] == [1, 0, 0, 0]
    assert list(map(str, dataset.left_out)) == ["d.png: has no label file; taken as without people"]
    assert dataset.left_out[0].adjusted


@pytest.mark.parametrize(
    ("line", "remark", "people", "ignored"),
    [
        ("0 .5 .5 .2 .4 .5 .5 2", "has 8 numbers instead of 11 (class, box, 2 keypoints of 3); ignored region", 0, 1),
        ("0 .5 .5 .2 .4", "has 5 numbers instead of 11 (class, box, 2 keypoints of 3); ignored region", 0, 1),
        ("0 .5 .5", "has 3 numbers instead of 11 (class, box, 2 keypoints of 3); left out", 0, 0),
        ("person .5 .5 .2 .4 .5 .5 2 .5 .5 2", "'person' is not a number; left out", 0, 0),
        ("0 .5 .5 .2 .4 nan .5 2 .5 .5 2", "a number is not finite; left out", 0, 0),
        ("3 .5 .5 .2 .4 .5 .5 2 .5 .5 2", "class 3 is not among the names of data.yaml; left out", 0, 0),
        ("0.5 .5 .5 .2 .4 .5 .5 2 .5 .5 2", "class 0.5 is not among the names of data.yaml; left out", 0, 0),
        ("0 100 50 20 40 .4 .5 2 .6 .5 2", "the box is not in 0 to 1; left out", 1, 0),
        ("0 .5 .5 -.2 .4 .4 .5 2 .6 .5 2", "the box is not in 0 to 1; left out", 1, 0),
        ("0 .5 .5 .2 .4 90 40 2 .6 .5 2", "1 keypoints are not in 0 to 1; taken as unlabelled", 1, 0),
        ("0 .5 .5 .2 .4 .5 .4 .9 .6 .5 2", "a visibility is 0.9 instead of 0, 1 or 2; ", 1, 0),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, remark: str, people: int, ignored: int) -> None:
    dataset = one(tmp_path, f"{PERSON}{line}\n")
    assert [(len(s.keypoints), len(s.ignore)) for s in dataset.samples] == [(1 + people, ignored)]
    (found,) = map(str, dataset.left_out)
    assert found.startswith(f"labels/a.txt, line 2: {remark}")


def test_confidences_in_place_of_visibilities_are_rounded(tmp_path: Path) -> None:
    dataset = one(tmp_path, "0 .5 .5 .2 .4 .5 .4 .9 .6 .5 .3")
    assert dataset.samples[0].keypoints[0, :, 2].tolist() == [2, 0]
    assert dataset.left_out[0].adjusted


def test_files_that_do_not_belong_together_are_named(tmp_path: Path) -> None:
    path = make(tmp_path / "d", {"a": PERSON, "b": PERSON, "c": PERSON})
    (tmp_path / "d/images/b.jpg").write_text("no image")
    (tmp_path / "d/labels/c.txt").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "d/labels/z.txt").write_text(PERSON)
    dataset = load_labelled(path)
    assert [(sample.name, len(sample.keypoints)) for sample in dataset.samples] == [("a.jpg", 1), ("c.jpg", 0)]
    first, second, third = map(str, dataset.left_out)
    assert first == "labels/z.txt: belongs to no image; left out"
    assert "b.jpg: is not an image" in second
    assert third.startswith("labels/c.txt: not readable as text")


def delete_labels(folder: Path) -> None:
    for path in (folder / "labels").iterdir():
        path.unlink()


def delete_images(folder: Path) -> None:
    for path in (folder / "images").iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "changes", "message"),
    [
        (None, {"kpt_shape": None}, "lacks kpt_shape"),
        (None, {"kpt_shape": [2, 4]}, r"kpt_shape should be \[keypoints, 2 or 3\], but is \[2, 4\]"),
        (None, {"kpt_shape": 17}, "kpt_shape should be"),
        (None, {"flip_idx": [0]}, r"flip_idx should list each keypoint's mirror image, numbers 0 to 1, but is \[0\]"),
        (None, {"flip_idx": [1, 2, 0], "kpt_shape": [3, 3]}, "flip_idx should list"),
        (None, {"kpt_names": {0: ["a"]}}, r"kpt_names should list 2 names for each class, but is \['a'\]"),
        (None, {"kpt_names": ["a", "a"]}, "names repeat"),
        (None, {"names": "person"}, "names should be a list, or a mapping from class numbers"),
        (None, {"train": None}, "has no entry `train`"),
        (None, {"train": "nowhere"}, "is neither a folder of images nor a text file"),
        (lambda folder: (folder / "data.yaml").write_text("a: [1"), {}, "not readable as YAML"),
        (lambda folder: (folder / "data.yaml").write_text("a list"), {}, "lacks kpt_shape"),
        (lambda folder: (folder / "data.yaml").unlink(), {}, "not found"),
        (delete_labels, {}, "none of its 1 images has a label file, such as .*labels/a.txt"),
        (delete_images, {}, "there are no images in"),
    ],
)
def test_a_wrong_description_is_one_line(
    tmp_path: Path, spoil: Callable[[Path], object] | None, changes: dict[str, object], message: str
) -> None:
    path = make(tmp_path / "d", {"a": PERSON}, **changes)
    if spoil:
        spoil(tmp_path / "d")
    with pytest.raises(VoteposeError, match=message) as error:
        load_labelled(path)
    assert "data.yaml" in str(error.value)
    assert "\n" not in str(error.value)


def test_splits_and_the_ways_to_name_them(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / split / "images").mkdir(parents=True)
        (tmp_path / split / "labels").mkdir()
        Image.new("RGB", (64, 64)).save(tmp_path / split / "images" / f"{split}.png")
        (tmp_path / split / "labels" / f"{split}.txt").write_text(PERSON)
    content = {"train": "../train/images", "val": ["val/images"], "nc": 1, "names": ["person"], "kpt_shape": [2, 3]}
    content["path"] = "datasets/elsewhere"  # as Ultralytics finds it by its settings
    path = tmp_path / "data.yaml"
    path.write_text(yaml.safe_dump(content))

    def names(given: Path, split: str = "train") -> list[str]:
        return [sample.name for sample in load_labelled(given, split=split).samples]

    assert names(path) == names(tmp_path) == names(tmp_path / "train/images", "val") == ["train.png"]
    assert names(path, "val") == names(tmp_path / "val/images") == ["val.png"]
    with pytest.raises(VoteposeError, match="has no entry `test`"):
        names(path, "test")
    (tmp_path / "list.txt").write_text("./train/images/train.png\nval/images/val.png\n\n")
    path.write_text(yaml.safe_dump(content | {"train": "list.txt"}))
    assert names(path) == ["train/images/train.png", "val/images/val.png"]


def test_a_turned_image_keeps_its_labels(tmp_path: Path) -> None:
    path = make(tmp_path / "d", {"a": PERSON})
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side: 200 x 100 pixels are shown as 100 x 200
    Image.new("RGB", (200, 100)).save(tmp_path / "d/images/a.jpg", exif=exif)
    dataset = load_labelled(path)
    assert dataset.left_out == []
    np.testing.assert_allclose(dataset.samples[0].keypoints[0], [[45, 80, 2], [55, 120, 1]], rtol=1e-6)


def test_several_classes_are_all_read(tmp_path: Path) -> None:
    dataset = one(tmp_path, PERSON + "1" + PERSON[1:].replace("0.45", "0.4"), names=["adult", "child"])
    assert len(dataset.samples[0].keypoints) == 2


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("/d/images/train/a.jpg", "/d/labels/train/a.txt"),
        ("/images/d/images/a.b.png", "/images/d/labels/a.b.txt"),
        ("/d/train/a.jpg", "/d/train/a.txt"),
        ("/d/images.jpg", "/d/images.txt"),
    ],
)
def test_labels_lie_beside_images(image: str, label: str) -> None:
    assert label_path(Path(image)) == Path(label)
