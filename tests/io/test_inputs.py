"""Inputs: what files, folders, globs, lists and addresses name; what names nothing is said in one line."""

from __future__ import annotations

import io
import os
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from votepose.errors import VoteposeError
from votepose.io.folders import natural_key
from votepose.io.inputs import Input, Search, find_inputs, read_list, relative_names


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """photos/{img1.jpg, img2.JPG, img10.png, notes.md, .hidden.jpg, more/a.jpg}, as the working directory's."""
    monkeypatch.chdir(tmp_path)
    for name in ("img10.png", "img2.JPG", "img1.jpg", "notes.md", ".hidden.jpg", "more/a.jpg", "more/.x/b.jpg"):
        path = Path("photos", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Path("photos")


def names(paths: list[Path]) -> list[str]:
    return [path.as_posix().removeprefix("photos/") for path in paths]


def find_images(given: list[str], recursive: bool = False, exclude: Path | None = None) -> list[Path]:
    """The image files among `find_inputs`."""
    return [Path(one.name) for one in find_inputs(given, (), Search(recursive, exclude)) if one.kind == "image"]


def test_folders_give_their_images_in_natural_order(folder: Path) -> None:
    assert names(find_images(["photos"])) == ["img1.jpg", "img2.JPG", "img10.png"]
    assert names(find_images(["photos"], recursive=True)) == ["img1.jpg", "img2.JPG", "img10.png", "more/a.jpg"]


def test_globs_mean_what_the_shell_makes_of_them(folder: Path) -> None:
    assert names(find_images(["photos/img*"])) == ["img1.jpg", "img2.JPG", "img10.png"]
    assert names(find_images(["photos/**/*.jpg"])) == ["img1.jpg", "more/a.jpg"]
    (folder / "[1].jpg").touch()  # a file of that name is no glob
    assert names(find_images(["photos/[1].jpg"])) == ["[1].jpg"]


def test_files_are_taken_whatever_their_suffix_in_the_order_given_each_once(folder: Path) -> None:
    given_order = ["photos/img2.JPG", "photos/notes.md", "./photos/img2.JPG", "photos", str(folder.absolute())]
    assert names(find_images(given_order)) == ["img2.JPG", "notes.md", "img1.jpg", "img10.png"]


def test_results_of_an_earlier_run_are_no_inputs(folder: Path) -> None:
    more = folder / "more"
    assert "more/a.jpg" not in names(find_images(["photos"], recursive=True, exclude=more))
    assert names(find_images(["photos/more"], exclude=more)) == ["more/a.jpg"]
    assert names(find_images(["photos/more/a.jpg"], exclude=more)) == ["more/a.jpg"]
    assert len(find_images(["photos"], exclude=Path("."))) == 3


@pytest.mark.parametrize("inputs", [[], [""], ["missing.jpg"], ["photos/*.bmp"], ["empty"], ["photos/img1.jpg", "no"]])
def test_inputs_that_name_nothing_are_one_line(folder: Path, inputs: list[str]) -> None:
    Path("empty").mkdir()
    with pytest.raises(VoteposeError) as caught:
        find_images(inputs)
    assert "\n" not in str(caught.value)
    assert not inputs or inputs[-1] in str(caught.value)


@pytest.mark.parametrize("address", ["s3://photos/1.jpg", "gs://photos/*.jpg"])
def test_addresses_that_only_the_cluster_reads_say_so(address: str) -> None:
    with pytest.raises(VoteposeError, match="--engine ray"):
        find_images([address])


def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(VoteposeError, match="neither a file nor a folder"):
        find_images([str(tmp_path / "pipe")])


@given(st.lists(st.text("ab1290.", min_size=1), max_size=8), st.randoms())
def test_natural_order_is_an_order(texts: list[str], shuffler: random.Random) -> None:
    paths = [Path(text) for text in texts]
    ordered = sorted(paths, key=natural_key)
    shuffler.shuffle(paths)
    assert list(map(natural_key, sorted(paths, key=natural_key))) == list(map(natural_key, ordered))


@given(st.sets(st.lists(st.sampled_from(["a", "b", "c.jpg"]), min_size=1, max_size=4).map(tuple), min_size=1))
def test_relative_names_differ_and_stay_inside(parts: set[tuple[str, ...]]) -> None:
    paths = [Path("/data", *p) for p in sorted(parts)]
    found = relative_names(paths)
    assert len(set(found)) == len(paths)
    assert all(".." not in name.parts and not name.is_absolute() for name in found)
    assert all(path.as_posix().endswith(name.as_posix()) for path, name in zip(paths, found, strict=True))


@pytest.mark.parametrize(
    ("text", "kind", "path"),
    [
        ("https://a.org/x/cat.jpg?w=3", "url", "a.org/x/cat.jpg-w=3"),
        ("HTTP://a.org/", "url", "a.org"),
        ("http://a.org/clip.mp4?t=1", "video", "a.org/clip.mp4-t=1"),
        ("video:http://me:secret@a.org/../mjpg", "video", "a.org/mjpg"),
        ("rtsp://me:secret@10.0.0.2:554/live", "live", "10.0.0.2-554/live"),
        ("webcam:0", "live", "webcam-0"),
    ],
)
def test_addresses_are_told_apart_and_name_results_without_their_password(text: str, kind: str, path: str) -> None:
    (one,) = find_inputs([text])
    assert (one.kind, one.path, one.moving) == (kind, Path(path), kind in ("video", "live"))
    assert "secret" not in one.label
    assert one.label.removeprefix("rtsp://").startswith(("10.0.0.2:554", "http", "HTTP", "webcam:0"))


def test_videos_are_taken_where_named_and_from_folders(folder: Path) -> None:
    (folder / "clip.MP4").touch()
    (folder / "odd.bin").touch()
    assert find_inputs(["photos/*.MP4"]) == [Input("photos/clip.MP4", "video")]
    assert find_inputs(["video:photos/odd.bin"]) == [Input("photos/odd.bin", "video")]
    assert Input("photos/clip.MP4", "video") in find_inputs(["photos"])
    assert all(one.kind == "image" for one in find_inputs(["photos"], how=Search(videos=False)))
    with pytest.raises(VoteposeError, match=r"none\.mp4: no such file"):
        find_inputs(["none.mp4"])


LISTED = b"\xef\xbb\xbfphotos/img2.JPG\r\n\n  no such.jpg \nhttps://a.org/b.png\nphotos/img2.JPG\n\xff.jpg"


def test_lists_name_paths_and_urls_a_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("list.txt").write_bytes(LISTED)
    expected = [
        ("photos/img2.JPG", "image"),
        ("no such.jpg", "image"),
        ("https://a.org/b.png", "url"),
        (os.fsdecode(b"\xff.jpg"), "image"),
    ]
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(LISTED)))
    for found in (find_inputs(["list.txt"]), find_inputs([], ["list.txt"]), find_inputs(["-"])):
        assert [(one.name, one.kind) for one in found] == expected
    Path("nul.txt").write_bytes(b"a\nb.jpg\0c.jpg\0")  # of find -print0: names may hold line ends
    assert [one.name for one in read_list("nul.txt")] == ["a\nb.jpg", "c.jpg"]


def test_lists_that_are_none_are_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("empty.txt").write_text(" \n\n")
    Path("long.txt").write_text("a" * 5000)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"")))
    for name, said in [
        ("empty.txt", "empty.txt: the list is empty"),
        ("-", "stdin: the list is empty"),
        ("none.txt", "none.txt: cannot be read"),
        ("photos", "photos: cannot be read"),
        ("long.txt", "is not a list of paths"),
    ]:
        with pytest.raises(VoteposeError, match=said):
            find_inputs([], [name])
