"""Split a COCO-format folder in two, by a hash of the image id: one part to train on, one to choose settings and to
calibrate on.

    python scripts/hold_out.py ../shared/data/coco-train data/ --share 0.12

writes data/coco-train-rest and data/coco-train-held: an annotations.json each, and links to the folder's pictures.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import tyro

from votepose.data.coco import relabel


@dataclass(frozen=True)
class Config:
    folder: tyro.conf.Positional[Path]
    """Folder with annotations.json beside images/ or images-*.zip."""
    out: tyro.conf.Positional[Path]
    """Where the two folders go."""
    share: float = 0.12
    """Of the pictures that is held out."""


def held(image_id: int, share: float) -> bool:
    return int(hashlib.md5(f"hold {image_id}".encode()).hexdigest()[:8], 16) < share * 16**8


def main(config: Config) -> None:
    data = json.loads((config.folder / "annotations.json").read_text())
    for name, wanted in (("rest", False), ("held", True)):
        images = [image for image in data["images"] if held(image["id"], config.share) == wanted]
        ids = {image["id"] for image in images}
        people = [person for person in data["annotations"] if person["image_id"] in ids]
        out = config.out / f"{config.folder.name}-{name}"
        relabel(config.folder, out, {**data, "images": images, "annotations": people})
        print(f"{out}: {len(images)} pictures, {len(people)} annotations")


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
