"""Files on this machine and at URLs: read, listed, and written whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
from fsspec.asyn import AsyncFileSystem

from votepose.cluster import files


class Bucket(AsyncFileSystem):
    """An object store: what is put into it is there when it is whole; folders are not made."""

    protocol = "bucket"
    objects: ClassVar[dict[str, bytes]] = {}

    async def _pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: object) -> None:
        self.objects[path] = value

    async def _cat_file(self, path: str, start: object = None, end: object = None, **options: object) -> bytes:
        return self.objects[path]

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        raise AssertionError


def test_objects_are_put_at_once_whatever_they_are_called() -> None:
    fsspec.register_implementation("bucket", Bucket, clobber=True)
    for name in ("bucket://out/0001-photo[1].jpg", "bucket://out/*?.jpg"):
        files.write(name, b"old")
        files.write(name, b"new")
        assert files.read(name) == b"new"
    assert len(Bucket.objects) == 2  # and nothing half-written beside them


def test_a_file_is_whole_or_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    system, _ = files.file_system("x")
    files.write("a/b.jsonl", b"old")

    def half(self: object, path: str, data: bytes) -> None:
        Path(path).write_bytes(data[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(system), "pipe_file", half)
    with pytest.raises(OSError, match="No space left"):
        files.write("a/b.jsonl", b"new")
    assert os.listdir("a") == ["b.jsonl"]
    assert Path("a/b.jsonl").read_bytes() == b"old"
