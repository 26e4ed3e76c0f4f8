"""Drawings and other results have names of their own, and spare the inputs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.written import images
from votepose.errors import VoteposeError
from votepose.io.inputs import Input
from votepose.outputs.names import picture_paths, require_apart, result_stems

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


def test_stems_are_different_and_short() -> None:
    names = ["p/a.jpg", "p/b/a.jpg", "p/c.jpg", "p/C.png", "p/c.jpg-2.webp", "p/clip.mp4"]
    stems = result_stems([Input(name, "video" if name.endswith("mp4") else "image") for name in names])
    assert [str(stem) for stem in stems] == ["a", "b/a", "c.jpg", "C.png", "c.jpg-2", "clip"]
    again = result_stems([Input(name, "image") for name in ("a.png", "a.jpg", "a.png.gif")])
    assert [str(stem) for stem in again] == ["a.png", "a.jpg", "a.png-2"]


def test_a_folder_with_inputs_is_not_written_to() -> None:
    inputs = [Input("photos/a.jpg", "image"), Input("http://x.example/crops/a.jpg", "url")]
    require_apart(inputs, Path("crops"), "--crops")
    with pytest.raises(VoteposeError, match=r"photos/a\.jpg: lies in the output folder photos; .* another --crops"):
        require_apart(inputs, Path("photos"), "--crops")
