"""The output folder: zips of images with a json each, and a COCO json of all once they are complete."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import votepose
from votepose.errors import VoteposeError
from votepose.io.files import replacing, save_text
from votepose.io.settings import as_json, read_note, require_same_settings
from votepose.skeleton import COCO_17

_ELSE = "use a new folder"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # fixed date of every member, so that equal images give equal zips


@dataclass(frozen=True)
class Scene:
    """A finished image: its number, size in pixels, JPEG file, and COCO annotations without ids."""

    index: int
    width: int
    height: int
    jpeg: bytes
    annotations: list[dict[str, Any]]


class ShardFolder:
    """A folder of `count` images in shards of `shard`, generated with `content`, the options that determine them.

    A shard is complete when its json, which is written last, exists, so the folder is valid at any time. As a context
    manager it removes partial files.

    Raises:
        VoteposeError: if the folder holds anything but images generated with the same options.
    """

    def __init__(self, folder: Path, content: dict[str, Any], count: int, shard: int) -> None:
        self._folder, self._count, self._shard = folder, count, shard
        self._content = {"votepose": votepose.__version__} | as_json(content)
        self._parts = folder / "shards"
        _check_folder(folder, self._content)

    def __enter__(self) -> ShardFolder:
        self._parts.mkdir(parents=True, exist_ok=True)
        save_text(json.dumps(self._content, indent=1), self._folder / "synth.json")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for partial in [*self._folder.glob("*.partial*"), *self._parts.glob("*.partial*")]:
            partial.unlink(missing_ok=True)

    def missing(self) -> list[tuple[int, int]]:
        """The first image, and one past the last, of each missing shard."""
        shards = [(first, min(first + self._shard, self._count)) for first in range(0, self._count, self._shard)]
        return [shard for shard in shards if not self._is_there(*shard)]

    def write(self, first: int, scenes: Iterable[Scene]) -> None:
        """Write the shard that starts with image `first`."""
        name = f"images-{first // self._shard:05d}.zip"
        images, people = [], []
        with replacing(self._folder / name) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for scene in scenes:
                file = f"{scene.index:08d}.jpg"
                archive.writestr(zipfile.ZipInfo(file, _EPOCH), scene.jpeg)
                images.append(
                    {
                        "id": scene.index,
                        "file_name": file,
                        "width": scene.width,
                        "height": scene.height,
                        "shard": name,
                        "persons_complete": True,
                    }
                )
                people += [annotation | {"image_id": scene.index} for annotation in scene.annotations]
        save_text(json.dumps({"images": images, "annotations": people}), self._part(first))

    def merge(self) -> int:
        """Write annotations.json from all shards; returns the number of people with keypoints."""
        images: list[dict[str, Any]] = []
        people: list[dict[str, Any]] = []
        for first in range(0, self._count, self._shard):
            part = json.loads(self._part(first).read_bytes())
            images += [image for image in part["images"] if image["id"] < self._count]
            people += [person for person in part["annotations"] if person["image_id"] < self._count]
        people = [{"id": number} | annotation for number, annotation in enumerate(people, start=1)]
        whole = {
            "info": {"description": "votepose synth", "options": self._content},
            "images": images,
            "annotations": people,
            "categories": [COCO_17.to_coco_category()],
        }
        save_text(json.dumps(whole), self._folder / "annotations.json")
        return sum(annotation["num_keypoints"] > 0 for annotation in people)

    def _part(self, first: int) -> Path:
        return self._parts / f"{first // self._shard:05d}.json"

    def _is_there(self, first: int, last: int) -> bool:
        try:
            part = json.loads(self._part(first).read_bytes())
        except (OSError, ValueError):
            return False
        there = (self._folder / f"images-{first // self._shard:05d}.zip").is_file()
        return there and len(part["images"]) >= last - first


def _check_folder(folder: Path, content: dict[str, Any]) -> None:
    if folder.exists() and not folder.is_dir():
        raise VoteposeError(f"{folder}: is a file; use a folder for the images")
    record = folder / "synth.json"
    if not record.exists():
        if folder.is_dir() and any(folder.iterdir()):
            raise VoteposeError(f"{folder}: holds other files; use a new or empty folder")
        return
    before = read_note(record.read_bytes(), record, _ELSE)
    require_same_settings(before, content, f"{folder}: holds images", _ELSE)
