"""What a run is asked to look at: URLs, patterns, lists."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from votepose.cluster import files, worker
from votepose.cluster.config import ClusterConfig
from votepose.cluster.listing import expand, find_names
from votepose.errors import VoteposeError
from votepose.io.urls import url_of


def test_urls_of_fsspec_are_read_listed_and_written() -> None:
    for name in ("a/2.jpg", "a/10.JPG", "a/b/c.png", "a/.hidden.jpg", "a/notes.md", "a/out/x.jpg"):
        files.write(f"memory://{name}", name.encode())
    files.write("memory://a/list.txt", "memory://a/2.jpg\n\n/local.jpg\n".encode("utf-8-sig"))
    assert files.read("memory://a/2.jpg") == b"a/2.jpg"
    assert expand("memory://a", False, "memory://a/out") == ["memory:///a/2.jpg", "memory:///a/10.JPG"]
    assert expand("memory://a", True, "memory://a/out")[2:] == ["memory:///a/b/c.png"]
    assert expand("memory://a/*.jp*", False, "out") == ["memory:///a/2.jpg"]
    assert expand("memory://a/2.jpg", False, "out") == ["memory://a/2.jpg"]
    assert expand("memory://a/list.txt", False, "out") == ["memory://a/2.jpg", "/local.jpg"]
    files.write("memory://a/.seen/1.jpg", b"")
    files.write("memory://a/.seen/.2.jpg", b"")
    assert expand("memory://a/.seen/*.jpg", False, "out") == ["memory:///a/.seen/1.jpg"]
    assert files.in_folder("memory://a/b", ".png") == ["c.png"]
    assert files.in_folder("memory://none", ".png") == []
    with pytest.raises(VoteposeError, match=r"^memory://none: no such file or folder$"):
        expand("memory://none", False, "out")
    with pytest.raises(VoteposeError, match=r"^memory://none.jpg: no such file$"):
        worker.read_anywhere("memory://none.jpg")
    with pytest.raises(VoteposeError, match=r"^memory://a/2.jpg: is not an image"):
        worker.read_anywhere("memory://a/2.jpg")
    urls = [url_of(Path(text)) for text in ("s3://bucket/a", "file:///tmp/a", "/tmp/a", "a")]
    assert urls == ["s3://bucket/a", "/tmp/a", "/tmp/a", os.path.abspath("a")]


def test_a_list_at_a_url_is_read_as_one_on_this_machine() -> None:
    def names(content: str) -> list[str]:
        files.write("memory://lists/names", content.encode("utf-8-sig"))  # no suffix tells that it is a list
        return find_names(ClusterConfig((), "memory://lists/names", False, Path("out"), Path("a.onnx")), "out")

    assert names("memory://a/2.jpg\r\n\nb\u2028c.jpg\nmemory://a/2.jpg") == ["memory://a/2.jpg", "b\u2028c.jpg"]
    assert names("a\nb.jpg\0https://host/c.jpg") == ["a\nb.jpg", "https://host/c.jpg"]
    for content, told in (
        ("\n \n", "memory://lists/names: the list is empty; it should name one image path or URL per line"),
        ("memory://a/clip.mp4", "memory://a/clip.mp4: --engine ray processes images only; leave it out for videos"),
        ("https://me:secret@host/a.jpg", "https://host/a.jpg: --engine ray does not accept URLs with a password"),
        ("foo://a/b.jpg", "foo://: Protocol not known: foo; use s3://, gs:// or another scheme of fsspec"),
    ):
        with pytest.raises(VoteposeError) as caught:
            names(content)
        assert str(caught.value) == told
    with pytest.raises(VoteposeError, match=r"^memory://none: cannot be read as a list \("):
        find_names(ClusterConfig((), "memory://none", False, Path("out"), Path("a.onnx")), "out")
