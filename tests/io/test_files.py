"""The folder of results: drawings spare the inputs, and files appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from helpers.written import images
from votepose.errors import VoteposeError
from votepose.io.files import picture_paths, prepare_folder, replacing, save_picture, save_text
from votepose.io.inputs import Input

FILES = st.sampled_from(["a.jpg", "A.jpg", "a-2.jpg", "a.png", "a.tif", "a.tif.png", "b/a.jpg", "a", "c/a.bmp"])


@given(st.sets(FILES, min_size=1), st.sampled_from([".", "b", "out"]))
def test_drawings_have_paths_of_their_own_and_spare_the_inputs(files: set[str], out: str) -> None:
    paths = [Path(file) for file in sorted(files)]
    targets = picture_paths(images(*paths), Path(out))
    keys = [str(target.absolute()).casefold() for target in targets]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & {str(path.absolute()).casefold() for path in paths}
    assert all(target.suffix in (".jpg", ".png") for target in targets)


def test_drawings_keep_their_relative_names() -> None:
    paths = [Path("x/a.jpg"), Path("y/a.jpg"), Path("y/b.gif")]
    targets = [target.as_posix() for target in picture_paths(images(*paths), Path("out"))]
    assert targets == ["out/x/a.jpg", "out/y/a.jpg", "out/y/b.gif.png"]
    assert picture_paths(images("x/a.jpg"), Path("out")) == [Path("out/a.jpg")]


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


def test_drawn_videos_spare_the_inputs_under_every_suffix() -> None:
    clips = [Input("x/a.mkv", "video"), Input("x/a.mp4", "video"), Input("x/b.avi", "video"), *images("x/a.png")]
    targets = picture_paths(clips, Path("x"))
    drawn = {target.with_suffix(suffix).as_posix() for target in targets[:3] for suffix in (".mp4", ".mkv", ".webm")}
    assert len(drawn) == 9
    assert not drawn & {one.name for one in clips}
    assert targets[3] == Path("x/a-2.png")


def test_drawings_of_addresses_are_named_after_them() -> None:
    mixed = [
        Input("/data/x/a.jpg", "image"),
        Input("https://a.org/b/c.jpg", "url"),
        Input("webcam:0", "live"),
        Input("/data/x/b.jpg", "image"),
    ]
    targets = [target.as_posix() for target in picture_paths(mixed, Path("out"))]
    assert targets == ["out/a.jpg", "out/a.org/b/c.jpg", "out/webcam-0.mp4", "out/b.jpg"]


def test_text_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    save_text("before", path)
    with pytest.raises(UnicodeEncodeError):
        save_text("\ud800", path)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["note.json"]


def test_files_and_folders_are_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    file, folder = tmp_path / "a.npz", tmp_path / "made"
    file.write_text("before")
    for path in (file, folder):
        with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:  # noqa: PT012
            assert (temporary.parent, temporary.suffix) == (tmp_path, path.suffix or ".partial")
            assert temporary.name.startswith(".")
            temporary.mkdir() if path == folder else temporary.write_text("half")
            raise KeyboardInterrupt
    assert file.read_text() == "before"
    with replacing(file) as temporary, replacing(folder) as other:
        temporary.write_text("after")
        other.mkdir()
        (other / "b").touch()
    assert file.read_text() == "after"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.npz", "b", "made"]
