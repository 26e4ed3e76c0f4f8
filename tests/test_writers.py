"""Writers: files are whole at every moment, and a run that is stopped keeps what it did."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conftest import some_poses
from votepose.errors import VoteposeError
from votepose.poses import Poses
from votepose.skeleton import COCO_17
from votepose.writers import (
    CocoWriter,
    Format,
    RecordsWriter,
    image_ids,
    open_writer,
    picture_paths,
    prepare_folder,
    save_picture,
)

PATHS = [Path("photos/a.jpg"), Path("photos/b.jpg"), Path("photos/c.jpg")]


def test_records_are_a_line_an_image(tmp_path: Path, poses: Poses) -> None:
    with RecordsWriter(tmp_path) as writer:
        for path, people in zip(PATHS, (poses, Poses.empty(), poses[:1]), strict=True):
            writer.write(path, people)
            assert not writer.path.exists()
    records = [json.loads(line) for line in writer.path.read_text().splitlines()]
    assert [record["image"] for record in records] == list(map(str, PATHS))
    assert [len(record["people"]) for record in records] == [3, 0, 1]
    assert list(tmp_path.iterdir()) == [writer.path]


def test_coco_results_can_be_told_apart_by_images_json(tmp_path: Path, poses: Poses) -> None:
    with CocoWriter(tmp_path, PATHS, COCO_17) as writer:
        for path, people in zip(PATHS, (poses, Poses.empty(), poses[:1]), strict=True):
            writer.write(path, people)
    results = json.loads(writer.path.read_text())
    images = json.loads((tmp_path / "images.json").read_text())
    assert [result["image_id"] for result in results] == [1, 1, 1, 3]
    assert {image["id"]: image["file_name"] for image in images["images"]} == dict(enumerate(map(str, PATHS), 1))
    assert images["categories"][0]["keypoints"] == list(COCO_17.names)


def test_coco_results_of_nobody_are_an_empty_list(tmp_path: Path) -> None:
    with CocoWriter(tmp_path, PATHS, COCO_17) as writer:
        writer.write(PATHS[0], Poses.empty())
    assert json.loads(writer.path.read_text()) == []


@pytest.mark.parametrize("form", ["records", "coco"])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_a_stopped_run_keeps_what_it_did(tmp_path: Path, poses: Poses, form: Format, stop: type[BaseException]) -> None:
    with pytest.raises(stop), open_writer(form, tmp_path, PATHS, COCO_17) as writer:  # noqa: PT012
        writer.write(PATHS[0], poses)
        lines = writer._lines if isinstance(writer, RecordsWriter) else writer._people
        lines._file.write(b'{"cut sho')  # as a full disk leaves it
        raise stop
    text = writer.path.read_text()
    done = json.loads(text) if form == "coco" else json.loads(text)["people"]
    assert len(done) == 3
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("form", ["records", "coco"])
def test_a_run_that_fails_at_once_leaves_the_earlier_results(tmp_path: Path, form: Format) -> None:
    writer = open_writer(form, tmp_path, PATHS, COCO_17)
    writer.path.write_text("earlier")
    with pytest.raises(KeyboardInterrupt), writer:
        raise KeyboardInterrupt
    assert writer.path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [writer.path]


def test_image_ids_are_the_stems_only_if_all_are_different_integers() -> None:
    assert list(image_ids([Path("000000000139.jpg"), Path("7.png")]).values()) == [139, 7]
    assert list(image_ids([Path("139.jpg"), Path("a.jpg")]).values()) == [1, 2]
    assert list(image_ids([Path("x/7.jpg"), Path("y/7.jpg")]).values()) == [1, 2]
    assert list(image_ids([Path("²_.jpg"), Path("².jpg")]).values()) == [1, 2]


FILES = st.sampled_from(["a.jpg", "A.jpg", "a-2.jpg", "a.png", "a.tif", "a.tif.png", "b/a.jpg", "a", "c/a.bmp"])


@given(st.sets(FILES, min_size=1), st.sampled_from([".", "b", "out"]))
def test_drawings_have_paths_of_their_own_and_spare_the_inputs(files: set[str], out: str) -> None:
    paths = [Path(file) for file in sorted(files)]
    targets = picture_paths(paths, Path(out))
    keys = [str(target.absolute()).casefold() for target in targets]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & {str(path.absolute()).casefold() for path in paths}
    assert all(target.suffix in (".jpg", ".png") for target in targets)


def test_drawings_keep_their_relative_names() -> None:
    paths = [Path("x/a.jpg"), Path("y/a.jpg"), Path("y/b.gif")]
    targets = [target.as_posix() for target in picture_paths(paths, Path("out"))]
    assert targets == ["out/x/a.jpg", "out/y/a.jpg", "out/y/b.gif.png"]
    assert picture_paths([Path("x/a.jpg")], Path("out")) == [Path("out/a.jpg")]


def test_pictures_are_saved_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "deep" / "a.png"
    save_picture(Image.new("RGB", (4, 4), "red"), target)

    def fails(self: Image.Image, path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fails)
    with pytest.raises(OSError, match="No space"):
        save_picture(Image.new("RGB", (4, 4), "blue"), target)
    assert np.asarray(Image.open(target))[0, 0].tolist() == [255, 0, 0]
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_folder(tmp_path / "new" / "folder")
    assert not list((tmp_path / "new" / "folder").iterdir())
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/votepose")):
        with pytest.raises(VoteposeError, match=f"^{path}: .*choose another --out$"):
            prepare_folder(path)

    def denied(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "touch", denied)
    with pytest.raises(VoteposeError, match="Permission denied"):
        prepare_folder(tmp_path)


def test_writers_take_many_people(tmp_path: Path) -> None:
    with open_writer("coco", tmp_path, PATHS, COCO_17) as writer:
        writer.write(PATHS[0], some_poses(200))
    assert len(json.loads(writer.path.read_text())) == 200
