"""Files and folders appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from votepose.errors import VoteposeError
from votepose.io.files import prepare_folder, replacing, save_picture, save_text


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
