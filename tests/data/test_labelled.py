"""COCO folders: what cannot be used is left out by name, what is outside is cut, mistakes are one line."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from votepose.data.coco_writer import write_coco
from votepose.data.labelled import LabelledFolder, load_labelled
from votepose.data.sample import Sample
from votepose.data.toy import synthetic_dataset
from votepose.errors import VoteposeError

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_coco(synthetic_dataset(3, 96, people=(2, 2)), tmp_path)
    return tmp_path


def edit(folder: Path, change: Edit) -> None:
    path = folder / "annotations.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def first_people(folder: Path) -> Sample:
    return load_labelled(folder).samples[0]


def truncate(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path, "jpeg")
    path.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_text("I am no image"), "not an image"),
        (lambda path: path.write_bytes(b""), "not an image"),
        (truncate, "truncated"),
        (lambda path: path.unlink(), "neither in"),
    ],
)
def test_broken_pictures_are_left_out_by_name(folder: Path, spoil: Callable[[Path], object], reason: str) -> None:
    spoil(folder / "images" / "000002.png")
    dataset = load_labelled(folder)
    assert [s.name for s in dataset.samples] == ["000001.png", "000003.png"]
    (line,) = map(str, dataset.left_out)
    assert line.startswith("000002.png")
    assert reason in line
    assert "\n" not in line


def test_a_broken_zip_is_left_out_by_name(folder: Path) -> None:
    (folder / "images-07.zip").write_text("no zip")
    dataset = load_labelled(folder)
    assert len(dataset.samples) == 3
    assert str(dataset.left_out[0]).startswith("images-07.zip")


def test_entries_that_make_no_sense_are_left_out(folder: Path) -> None:
    def spoil(data: dict[str, Any]) -> None:
        del data["images"][0]["id"]
        data["annotations"][2]["keypoints"] = ["a"] * 51  # of the second image

    edit(folder, spoil)
    dataset = load_labelled(folder)
    assert [s.name for s in dataset.samples] == ["000002.png", "000003.png"]
    assert [len(s.keypoints) for s in dataset.samples] == [1, 2]
    assert [str(remark)[:10] for remark in dataset.left_out] == ["000001.png", "2 annotati", "000002.png"]


def test_nothing_usable_is_an_error(folder: Path) -> None:
    for path in (folder / "images").iterdir():
        path.unlink()
    with pytest.raises(VoteposeError, match=r"none of its 3 images can be used; first: 000001\.png: neither in"):
        load_labelled(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "not found; a data folder holds annotations.json"),
        ("not json", "not readable as json"),
        ("[1, 2]", "lists no images"),
        ('{"images": []}', "lists no images"),
        ('{"images": [{"id": 1}], "categories": [{"keypoints": ["a", "a"]}]}', "names repeat"),
    ],
)
def test_a_wrong_json_is_one_line(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "annotations.json").write_text(text)
    with pytest.raises(VoteposeError, match=message) as error:
        load_labelled(tmp_path)
    assert "annotations.json" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("missing", [[], None])
def test_a_json_with_no_people_has_pictures_without_people(folder: Path, missing: object) -> None:
    edit(folder, lambda data: data.update(annotations=missing))
    dataset = load_labelled(folder)
    assert len(dataset.samples) == 3
    assert all(s.keypoints.shape == (0, 17, 3) and s.boxes.shape == s.ignore.shape == (0, 4) for s in dataset.samples)


def test_crowds_and_people_without_keypoints_are_ignored_regions(folder: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["annotations"][0]["iscrowd"] = 1
        data["annotations"][1]["keypoints"] = [0] * 51

    boxes = first_people(folder).boxes
    edit(folder, change)
    sample = first_people(folder)
    assert len(sample.keypoints) == 0
    np.testing.assert_allclose(sample.ignore, boxes, rtol=1e-6)


def test_a_wrong_number_of_keypoints_makes_an_ignored_region(folder: Path) -> None:
    edit(folder, lambda data: data["annotations"][0].update(keypoints=[1.0] * 48))
    dataset = load_labelled(folder)
    assert len(dataset.samples[0].keypoints) == len(dataset.samples[0].ignore) == 1
    assert list(map(str, dataset.left_out)) == [
        "000001.png: an annotation has 48 keypoint numbers instead of 51; ignored region",
    ]


def test_boxes_are_cut_to_the_picture_and_missing_ones_are_hulls(folder: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["annotations"][0]["bbox"] = [-20, -30, 500, 600]
        del data["annotations"][1]["bbox"]

    edit(folder, change)
    sample = first_people(folder)
    np.testing.assert_allclose(sample.boxes[0], [0, 0, 96, 96])
    labelled = sample.keypoints[1, sample.keypoints[1, :, 2] > 0, :2]
    np.testing.assert_allclose(sample.boxes[1, :2], labelled.min(axis=0), atol=1e-4)
    np.testing.assert_allclose(sample.boxes[1, :2] + sample.boxes[1, 2:], labelled.max(axis=0), atol=1e-4)


def test_labels_follow_a_picture_of_another_size(folder: Path) -> None:
    before = first_people(folder)
    path = folder / "images" / "000001.png"
    Image.open(path).resize((192, 48)).save(path)
    dataset = load_labelled(folder)
    after = dataset.samples[0]
    np.testing.assert_allclose(after.keypoints, before.keypoints * (2, 0.5, 1), rtol=1e-5)
    np.testing.assert_allclose(after.boxes, before.boxes * (2, 0.5, 2, 0.5), rtol=1e-5)
    np.testing.assert_allclose(after.areas, before.areas, rtol=1e-5)
    assert after.scale == (2.0, 0.5)
    assert "is 192x48" in str(dataset.left_out[0])


def test_pictures_are_turned_as_a_viewer_shows_them(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = folder / "images" / "000001.png"
    pixels = np.asarray(Image.open(path))
    Image.fromarray(np.rot90(pixels)).save(path, exif=exif)  # lies on its side, and says so
    np.testing.assert_array_equal(first_people(folder).image, pixels)


def test_sixteen_bit_grey_and_transparent_pictures_become_rgb(folder: Path) -> None:
    names = ["000001.png", "000002.png", "000003.png"]
    Image.fromarray(np.full((96, 96), 0xFFFF, np.uint16)).save(folder / "images" / names[0])
    Image.fromarray(np.full((96, 96), 7, np.uint8)).save(folder / "images" / names[1])
    Image.fromarray(np.zeros((96, 96, 4), np.uint8)).save(folder / "images" / names[2])
    images = [s.image for s in load_labelled(folder).samples]
    assert [i.shape for i in images] == [(96, 96, 3)] * 3
    assert [int(i.mean()) for i in images] == [255, 7, 255]


def test_other_categories_are_no_people(folder: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["categories"].insert(0, {"id": 9, "name": "bicycle"})
        data["annotations"].append({"id": 99, "image_id": 1, "category_id": 9, "bbox": [0, 0, 9, 9]})

    edit(folder, change)
    sample = first_people(folder)
    assert (len(sample.keypoints), len(sample.ignore)) == (2, 0)


def test_the_first_pictures_can_be_asked_for(folder: Path) -> None:
    assert [s.image_id for s in load_labelled(folder, limit=2).samples] == [1, 2]


def test_samples_on_demand_are_those_in_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_coco(synthetic_dataset(4, 64), tmp_path)
    folder = LabelledFolder.open(tmp_path)
    loaded, read = folder.load(), folder.on_demand()
    assert len(read.samples) == 4
    for one, other in zip(read.samples, loaded.samples, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.keypoints, other.keypoints)
    (tmp_path / "images" / "000002.png").write_bytes(b"no image")
    assert [read.samples[i].image_id for i in (1, 1, 3, -1)] == [3, 3, 4, 4]
    assert capsys.readouterr().out == f"{tmp_path}: 000002.png: is not an image of a known format; left out\n"
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    with pytest.raises(VoteposeError, match="none of its 4 images can be used"):
        read.samples[0]


@pytest.mark.parametrize("scale", [1, 3])
def test_labels_of_an_image_without_its_exif_rotation_are_not_stretched(folder: Path, scale: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = folder / "images" / "000001.png"
    Image.fromarray(np.zeros((48 * scale, 96 * scale, 3), np.uint8)).save(path, exif=exif)
    edit(folder, lambda data: data["images"][0].update(width=96, height=48))
    dataset = load_labelled(folder)
    assert [sample.name for sample in dataset.samples] == ["000002.png", "000003.png"]
    (line,) = map(str, dataset.left_out)
    assert line.startswith(f"000001.png: is {48 * scale}x{96 * scale}, but 96x48 in the json: its labels are for")


def test_an_image_is_read_from_the_zip_that_its_entry_names(folder: Path) -> None:
    grey = {"images-00.zip": 50, "images-01.zip": 100}
    for name, value in grey.items():
        png = io.BytesIO()
        Image.fromarray(np.full((96, 96, 3), value, np.uint8)).save(png, "png")
        with zipfile.ZipFile(folder / name, "w") as file:
            file.writestr("000001.png", png.getvalue())
            file.writestr("000002.png", png.getvalue())
    (folder / "images" / "000002.png").unlink()
    for zip_name, value in grey.items():
        edit(folder, lambda data, name=zip_name: [image.update(shard=name) for image in data["images"]])  # type: ignore[misc]
        first, second, third = load_labelled(folder).samples
        assert (first.image == value).all()
        assert (second.image == value).all()
        assert third.name == "000003.png"  # in no zip, so the plain file
    edit(folder, lambda data: data["images"][1].update(shard="images-02.zip"))
    assert "000002.png: neither in" in str(load_labelled(folder).left_out[0])
