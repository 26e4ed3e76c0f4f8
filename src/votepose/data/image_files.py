"""Reads the image files of a data folder, plain or in zips."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from votepose.data.remarks import Remark
from votepose.io.images import read_image


class ImageFiles:
    """The files in a folder and in zips. Several threads may read at the same time.

    Args:
        folder: folder of the plain files. zips: zips with further files.

    Attributes:
        left_out: remarks on zips that cannot be read.
    """

    def __init__(self, folder: Path, zips: Sequence[Path] = ()) -> None:
        self.folder, self.zips = folder, sorted(zips)
        self.left_out: list[Remark] = []
        self._where: dict[tuple[str, str], zipfile.ZipFile] = {}  # by the zip's name (or "" for any) and the file's
        self._open()

    def _open(self) -> None:
        self.left_out.clear()
        for path in self.zips:
            try:
                shard = zipfile.ZipFile(path)
            except (OSError, zipfile.BadZipFile) as error:
                self.left_out.append(Remark(f"not a readable zip file ({error})", place=path.name))
                continue
            self._where |= {(key, name): shard for name in shard.namelist() for key in ("", path.name)}
        self._process = os.getpid()

    def encoded(self, entry: dict[str, Any]) -> bytes:
        """The encoded file of an image in the json: from the zip that its `shard` names, else a plain file or, without
        `shard`, from any zip.

        Raises:
            FileNotFoundError: if there is none. zipfile's exceptions for broken zips.
        """
        if self._process != os.getpid():  # forked processes share file positions, so each reopens the zips
            self._open()
        name, zip_name = entry["file_name"], str(entry.get("shard") or "")
        plain, found = self.folder / name, self._where.get((zip_name, name))
        if plain.is_file() and not (zip_name and found):
            return plain.read_bytes()
        if found is not None:
            return found.read(name)
        raise FileNotFoundError(f"neither in {self.folder} nor in {zip_name or 'a zip'}")

    def read(self, entry: dict[str, Any]) -> np.ndarray:
        """Read an image in the json as (height, width, 3) uint8 RGB."""
        raw = self.encoded(entry)
        # WebP without transparency, EXIF or frames: Pillow would give the same pixels, but decodes in one thread at a
        # time.
        if raw[8:16] == b"WEBPVP8 ":
            decoded = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)
            if decoded is not None:
                return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
        file = io.BytesIO(raw)
        file.name = entry["file_name"]  # for error messages
        return read_image(file)
