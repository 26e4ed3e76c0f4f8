"""Split a COCO-format folder in two by a hash of the image id: one part to train on, one to choose settings and
calibrate on.

    python scripts/hold_out.py ../shared/data/coco-train data/ --share 0.12

writes data/coco-train-rest and data/coco-train-held: each an annotations.json and links to the folder's images.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import tyro

from votepose.data.coco_json.labels import read_coco_json
from votepose.data.coco_json.values import identity
from votepose.data.labelled import relabel


@dataclass(frozen=True)
class Config:
    folder: tyro.conf.Positional[Path]
    """Folder with annotations.json beside images/ or images-*.zip."""
    out: tyro.conf.Positional[Path]
    """Parent of the two new folders."""
    share: float = 0.12
    """Share of the images to hold out."""


def held(image_id: int, share: float) -> bool:
    """Whether an image is held out."""
    return int(hashlib.md5(f"hold {image_id}".encode()).hexdigest()[:8], 16) < share * 16**8


def main(config: Config) -> None:
    data = read_coco_json(config.folder / "annotations.json")
    for name, wanted in (("rest", False), ("held", True)):
        images = [image for image in data["images"] if held(image["id"], config.share) == wanted]
        ids = {identity(image["id"]) for image in images}
        people = [person for person in data["annotations"] if identity(person["image_id"]) in ids]
        out = config.out / f"{config.folder.name}-{name}"
        relabel(config.folder, out, {**data, "images": images, "annotations": people})
        print(f"{out}: {len(images)} images, {len(people)} annotations")


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
