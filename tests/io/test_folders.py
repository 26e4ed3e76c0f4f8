"""Folders: what is read, what is left out and why; suffixes and first bytes."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from votepose.errors import VoteposeError
from votepose.io.inputs import Search, find_inputs
from votepose.io.media import medium_of_bytes, medium_of_file

IMAGES = ["a.jpg", "b.jfif", "c.mpo", "d.tga", "e.HEIC", "f.avif", "g.j2k"]
VIDEOS = ["clip.MOV", "raw.h264", "raw.265", "cam.y4m", "dash.vob", "phone.3gp"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """in/, with images, videos and what is neither."""
    monkeypatch.chdir(tmp_path)
    for name in [*IMAGES, *VIDEOS, "notes.txt", "more.TXT", "boxes.xml", "raw.cr2", ".hidden.jpg", "sub/z.jpg"]:
        path = Path("in", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Path("in")


def found(how: Search, *given: str) -> tuple[list[tuple[str, str]], list[str]]:
    notes: list[str] = []
    inputs = find_inputs(given or ["in"], how=replace(how, report=notes.append))
    return [(Path(one.name).name, one.kind) for one in inputs], notes


def test_everything_that_can_be_read_is_taken_and_the_rest_counted(folder: Path) -> None:
    inputs, notes = found(Search())
    assert sorted(inputs) == sorted([(name, "image") for name in IMAGES] + [(name, "video") for name in VIDEOS])
    assert notes == [
        "in: left out 3 files: neither an image nor a video (.txt, .xml); 1 camera raw file: convert to JPEG; "
        "1 subfolder: not searched without --recursive"
    ]
    inputs, notes = found(Search(recursive=True, videos=False))
    assert inputs == [(name, "image") for name in [*IMAGES, "z.jpg"]]
    assert "6 videos: only images are processed here" in notes[0]
    assert "subfolder" not in notes[0]


def test_a_folder_of_videos_is_an_input(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").touch()
    assert found(Search(), str(tmp_path)) == ([("clip.mp4", "video")], [])
    with pytest.raises(VoteposeError, match=r"no images in it \(1 video: only images"):
        found(Search(videos=False), str(tmp_path))


def test_a_folder_without_either_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a.json").touch()
    with pytest.raises(VoteposeError, match=r"no images or videos in it \(1 file: neither .* \(.json\)\)"):
        found(Search(), str(tmp_path))


def test_links_to_nothing_and_folders_that_may_not_be_read_are_named(folder: Path) -> None:
    (folder / "gone.jpg").symlink_to("nowhere.jpg")
    (folder / "loop").symlink_to(folder.absolute())
    os.mkfifo(folder / "pipe.jpg")
    _, notes = found(Search(recursive=True))
    assert "in/gone.jpg: is a broken link" in notes[0]
    assert "in/loop: is a link to a folder; links are not followed" in notes[0]
    assert "in/pipe.jpg: is neither a file nor a folder" in notes[0]


def test_the_folder_of_results_is_not_mentioned(folder: Path) -> None:
    (folder / "sub/z.jpg").unlink()
    assert "subfolder" not in found(Search(exclude=folder / "sub"))[1][0]


def encoded(form: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(file, form)
    return file.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000"])
def test_images_without_a_suffix_are_known_by_their_first_bytes(tmp_path: Path, form: str) -> None:
    (tmp_path / "picture").write_bytes(encoded(form))
    assert found(Search(), str(tmp_path)) == ([("picture", "image")], [])


@pytest.mark.parametrize(
    ("start", "medium"),
    [
        (b"\0\0\0\x20ftypisom", "video"),
        (b"\0\0\0\x20ftypheic", "image"),
        (b"\0\0\0\x20ftypM4A ", None),
        (b"RIFF\0\0\0\0AVI LIST", "video"),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"\x1a\x45\xdf\xa3\x01", "video"),
        (b"\0\0\0\x01\x67\x64", "video"),
        (b"\0\0\x01\xba", "video"),
        (b"\0\0\0\x01", None),
        (b"\0\0\x01", None),
        (b"", None),
        (b"hello, world", None),
        (b"BM, he said", None),
        ((b"\x47" + bytes(187)) * 2, "video"),
    ],
)
def test_first_bytes(start: bytes, medium: str | None) -> None:
    assert medium_of_bytes(start) == medium


def test_typescript_is_no_transport_stream(tmp_path: Path) -> None:
    (tmp_path / "code.ts").write_text("Get();\n" * 99, encoding="utf-8")
    assert medium_of_file(tmp_path / "code.ts") is None
    (tmp_path / "cam.ts").write_bytes((b"\x47" + bytes(187)) * 2)
    assert medium_of_file(tmp_path / "cam.ts") == "video"


def test_a_named_video_is_known_by_its_content_where_its_suffix_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "cam.bin").write_bytes(b"\0\0\0\x01\x67\x64")
    assert found(Search(), str(tmp_path / "cam.bin")) == ([("cam.bin", "video")], [])
