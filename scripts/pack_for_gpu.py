"""Pack COCO-format folders into parts of limited size, for a machine that accepts few files at a time.

    python scripts/pack_for_gpu.py out/gpu ../shared/data/coco-train ../shared/data/lspet:0.5

writes out/gpu/1/coco-train/, out/gpu/2/coco-train/, …: images shrunk to a longest side, in zips, and in one of the
parts the annotations.json of each folder, with labels to match. On the other machine, copy all parts into one folder:
`cp -r 1/. 2/. G/`; `votepose train --data G/coco-train` reads them.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from PIL import Image

from votepose.data.coco_json.labels import read_coco_json
from votepose.data.coco_json.values import identity
from votepose.data.image_files import ImageFiles
from votepose.errors import VoteposeError
from votepose.io.images import read_image
from votepose.utils.machine import usable_cpus
from votepose.utils.parallel import ordered_map
from votepose.utils.progress import track

MIB = 2**20
PER_FILE = 200  # maximum overhead of a file in a zip, in bytes, besides twice its name


@dataclass(frozen=True)
class Config:
    out: tyro.conf.Positional[Path]
    """Parent of the parts 1, 2, …, which are replaced."""
    sources: tyro.conf.Positional[tuple[str, ...]]
    """Folders, or json files in them other than annotations.json; `DIR:0.5` packs half of the images."""
    side: int = 448
    """Longest side of an image, in pixels."""
    quality: int = 80
    """WebP quality."""
    part: float = 58.0
    """Maximum size of a part, in MiB."""
    complete: tuple[str, ...] = ()
    """Names of folders whose images have everyone labelled, although the json does not say so."""


@dataclass(frozen=True)
class Packed:
    """An image's file and its entry in the json, shrunk by `scale` (x, y)."""

    entry: dict[str, Any]
    scale: np.ndarray
    file: bytes


class Parts:
    """Numbered folders of limited size."""

    def __init__(self, out: Path, limit: float) -> None:
        self.out, self.limit = out, limit
        self.number, self.free = 0, 0.0
        for part in out.glob("[0-9]*"):
            shutil.rmtree(part)

    def claim(self, size: float) -> Path:
        """The part for a file of this size: the last one, or a new one if it does not fit."""
        if size > self.free:
            self.number, self.free = self.number + 1, self.limit
        self.free -= size
        return self.out / str(self.number)


def shrunk(entry: dict[str, Any], raw: bytes, side: int, quality: int) -> Packed:
    """The image with its longest side limited to `side`, or the original file if that is not larger."""
    image = Image.fromarray(read_image(raw))
    scale = min(1.0, side / max(image.size))
    size = tuple(max(1, round(length * scale)) for length in image.size)
    file = io.BytesIO()
    image.resize(size, Image.Resampling.LANCZOS).save(file, "webp", quality=quality, method=2)
    smaller = scale < 1 or len(file.getvalue()) < len(raw)
    name = Path(entry["file_name"]).with_suffix(".webp") if smaller else Path(entry["file_name"])
    described = np.array([entry["width"], entry["height"]])
    entry = {"id": entry["id"], "file_name": str(name), "width": size[0], "height": size[1]} | {
        key: entry[key] for key in ("persons_complete",) if entry.get(key) is not None
    }
    return Packed(entry, np.array(size) / described, file.getvalue() if smaller else raw)


def rescaled(annotation: dict[str, Any], scale: np.ndarray) -> dict[str, Any]:
    """An annotation of an image that was shrunk by `scale`."""
    points = np.reshape(annotation.get("keypoints") or [], (-1, 3)) * [*scale, 1]
    box = np.round(np.reshape(annotation["bbox"], (2, 2)) * scale, 1)
    return {
        "id": annotation["id"],
        "image_id": annotation["image_id"],
        "category_id": annotation["category_id"],
        "iscrowd": annotation.get("iscrowd", 0),
        "num_keypoints": annotation.get("num_keypoints", 0),
        "bbox": box.ravel().tolist(),
        "area": round(annotation["area"] * float(scale.prod()), 1),
        "keypoints": [int(v) if v == int(v) else v for v in np.round(points, 1).ravel().tolist()],
    }


def packed(folder: Path, images: list[dict[str, Any]], config: Config) -> Iterator[Packed]:
    files = ImageFiles(folder / "images", list(folder.glob("images*.zip")))

    def pack(entry: dict[str, Any]) -> Packed:
        return shrunk(entry, files.encoded(entry), config.side, config.quality)

    yield from track(ordered_map(pack, images, usable_cpus()), folder.name, len(images))


def pack_source(source: str, parts: Parts, config: Config) -> tuple[str, int]:
    """Pack one folder; returns its name and number of images."""
    path, _, share = source.partition(":")
    labels = Path(path) if path.endswith(".json") else Path(path) / "annotations.json"
    folder, data = labels.parent, read_coco_json(labels)
    images = [image for image in data["images"] if chosen(image["id"], float(share or 1))]
    if folder.name in config.complete:
        images = [{**image, "persons_complete": True} for image in images]
    # The json goes to the first part with images of the folder; its size is estimated until they are packed.
    home = parts.claim(labels.stat().st_size)
    scales: dict[int | str | None, np.ndarray] = {}
    entries = []
    archive: zipfile.ZipFile | None = None
    for picture in packed(folder, images, config):
        part = parts.claim(len(picture.file) + 2 * len(picture.entry["file_name"]) + PER_FILE)
        shard = part / folder.name / f"images-{int(part.name):02d}.zip"
        if archive is None or archive.filename != str(shard):
            if archive is not None:
                archive.close()
            shard.parent.mkdir(parents=True, exist_ok=True)
            archive = zipfile.ZipFile(shard, "w")
        archive.writestr(picture.entry["file_name"], picture.file)
        entries.append({**picture.entry, "shard": shard.name})
        scales[identity(picture.entry["id"])] = picture.scale
    if archive is not None:
        archive.close()
    own = [a for a in data["annotations"] if identity(a["image_id"]) in scales]
    people = [rescaled(a, scales[identity(a["image_id"])]) for a in own]
    text = json.dumps({"images": entries, "annotations": people, "categories": data["categories"]})
    target = home / folder.name / "annotations.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return folder.name, len(entries)


def chosen(image_id: int | str, share: float) -> bool:
    """Whether an image belongs to the `share` that is packed."""
    return int(hashlib.md5(f"pack {image_id}".encode()).hexdigest()[:8], 16) < share * 16**8


def main(config: Config) -> None:
    parts = Parts(config.out, config.part * MIB)
    for source in config.sources:
        name, count = pack_source(source, parts, config)
        print(f"{name}: {count} images")
    for number in range(1, parts.number + 1):
        size = sum(path.stat().st_size for path in (config.out / str(number)).rglob("*") if path.is_file())
        print(f"{config.out / str(number)}: {size / MIB:.1f} MiB")


if __name__ == "__main__":
    try:
        main(tyro.cli(Config, description=__doc__))
    except VoteposeError as error:
        raise SystemExit(f"pack_for_gpu: {error}") from None
