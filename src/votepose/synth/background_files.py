"""Finds images without people in a folder, as files or in zips, and records why others were left out."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from votepose.data.coco_json.values import identity
from votepose.errors import VoteposeError, one_line
from votepose.io.folders import natural_key
from votepose.io.images import read_image
from votepose.io.media import IMAGE_SUFFIXES
from votepose.utils.progress import track

_LONGEST = 1024  # longest side of an image in memory, in pixels
UNUSABLE = (VoteposeError, OSError, LookupError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Place:
    """The location of an image: a file, or a member of a zip."""

    name: str  # its name in annotations.json
    file: Path
    member: str = ""

    def __str__(self) -> str:
        return f"{self.file.name}/{self.member}" if self.member else str(self.file)

    def read(self) -> np.ndarray:
        """Read as (H, W, 3) uint8 RGB, shrunk if large. The file is opened each time, so that no handle is shared."""
        if not self.member:
            image = read_image(self.file)
        else:
            with zipfile.ZipFile(self.file) as shard:
                file = io.BytesIO(shard.read(self.member))
            file.name = str(self)  # for error messages
            image = read_image(file)
        height, width = image.shape[:2]
        scale = _LONGEST / max(height, width)
        if scale >= 1:
            return image
        smaller = max(1, round(width * scale)), max(1, round(height * scale))
        return cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)


def find_places(folder: Path) -> tuple[list[Place], list[str]]:
    """The images without people in a folder, its subfolders and images*.zip, and why others are left out.

    Each image is decoded once as a check. Images in which an annotations.json (COCO's format) lists people are left
    out.

    Raises:
        VoteposeError: if the folder is missing or has no usable image, or its annotations.json is not in COCO format.
    """
    if not folder.is_dir():
        raise VoteposeError(f"{folder}: no such folder; use a folder of images without people")
    left_out: list[str] = []
    places = [*_plain(folder), *_zipped(folder, left_out)]
    if not places:
        first = f" ({left_out[0]})" if left_out else ""
        raise VoteposeError(f"{folder}: holds no images{first}; use a folder of images without people")
    peopled = _peopled(folder / "annotations.json")
    empty = [place for place in places if place.name not in peopled]
    left_out += [f"{place}: shows people" for place in places if place.name in peopled]
    with ThreadPoolExecutor(4) as pool:
        reasons = track(pool.map(_flaw, empty), "reading backgrounds", len(empty), shown=len(empty) >= 200)
        flaws = list(zip(empty, reasons, strict=True))
    left_out += [flaw for _, flaw in flaws if flaw]
    if all(flaw for _, flaw in flaws):
        raise VoteposeError(f"{folder}: none of its {len(places)} images can be used; first: {left_out[0]}")
    return [place for place, flaw in flaws if not flaw], left_out


def _flaw(place: Place) -> str:
    """The reason why an image cannot be used, or ""."""
    try:
        place.read()
    except UNUSABLE as error:
        text = one_line(error)
        return text if text.startswith(str(place)) else f"{place}: {text}"
    return ""


def _plain(folder: Path) -> Iterator[Place]:
    for file in sorted(folder.rglob("*"), key=natural_key):
        parts = file.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in parts)
        if file.suffix.lower() in IMAGE_SUFFIXES and not hidden and file.is_file():
            yield Place("/".join(parts[parts[0] == "images" :]), file)


def _zipped(folder: Path, left_out: list[str]) -> Iterator[Place]:
    for path in sorted(folder.glob("images*.zip")):
        try:
            with zipfile.ZipFile(path) as shard:
                members = shard.namelist()
        except (OSError, zipfile.BadZipFile) as error:
            left_out.append(f"{path.name}: not a readable zip file ({error})")
            continue
        yield from (Place(name, path, name) for name in members if Path(name).suffix.lower() in IMAGE_SUFFIXES)


def _peopled(path: Path) -> set[str]:
    """Names of the images for which a COCO json lists people: with keypoints, in a crowd, or by category."""
    if not path.exists():
        return set()
    try:
        data: dict[str, Any] = json.loads(path.read_bytes())
        categories = data.get("categories") or ()
        people = {identity(c["id"]) for c in categories if c.get("keypoints") or c.get("name") == "person"}
        images = {
            identity(a["image_id"])
            for a in data.get("annotations") or ()
            if a.get("keypoints") or a.get("iscrowd") or identity(a.get("category_id")) in people
        }
        return {str(image["file_name"]) for image in data.get("images") or () if identity(image["id"]) in images}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise VoteposeError(f"{path}: not readable as a COCO json ({error}); repair or remove it") from None
