"""`votepose convert`: converts labelled data from COCO to YOLO format, or back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from votepose.data.labelled import LabelledFolder
from votepose.data.remarks import Remark, count_remarks
from votepose.data.yolo.description import SPLITS, find_description, read_description
from votepose.data.yolo.reader import YoloSplit, read_split
from votepose.data.yolo.writer import write_yolo
from votepose.errors import VoteposeError
from votepose.io.files import prepare_folder, replacing
from votepose.utils.progress import track
from votepose.utils.wording import counted


@dataclass(frozen=True)
class ConvertConfig:
    """Convert labelled data from COCO to YOLO format, or back. Images are copied."""

    data: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="DATA...")]
    """Up to three COCO folders, which become `train`, `val` and `test`; or one YOLO data.yaml, whose splits become COCO
    folders."""
    out: Path
    """New or empty folder to write to."""


def run(config: ConvertConfig) -> int:
    """Write the other format, atomically, and print a summary and what the format cannot hold.

    Returns:
        1 if an image, person or joint could not be read or written, otherwise 0.

    Raises:
        VoteposeError: if the data cannot be read, or `config.out` is not empty.
    """
    if not config.data:
        raise VoteposeError("give COCO folders, or one YOLO data.yaml")
    yolo = [path for path in config.data if find_description(path)]
    if yolo and len(config.data) > 1:
        raise VoteposeError(f"{yolo[0]}: is a YOLO dataset; give no other folders with it")
    prepare_folder(config.out.absolute().parent)
    if config.out.exists() and (not config.out.is_dir() or any(config.out.iterdir())):
        raise VoteposeError(f"{config.out}: exists and is not an empty folder; choose another --out")
    with replacing(config.out) as temporary:
        temporary.mkdir()
        remarks = list(_to_coco(config, temporary) if yolo else _to_yolo(config, temporary))
    kinds = count_remarks(remarks)
    for kind in kinds:
        print(kind)
    return int(any(not kind.first.adjusted for kind in kinds))


def _to_yolo(config: ConvertConfig, out: Path) -> Iterator[Remark]:
    """Yields remarks."""
    if len(config.data) > len(SPLITS):
        raise VoteposeError(f"{config.data[3]}: is one folder too many; a YOLO dataset has {', '.join(SPLITS)}")
    splits = dict(zip(SPLITS, map(LabelledFolder.open, config.data), strict=False))
    if len({folder.labels.skeleton.joints for folder in splits.values()}) > 1:
        raise VoteposeError(
            "the folders have different skeletons (names, sides or sigmas of the keypoints); "
            "a YOLO dataset has only one"
        )
    written = write_yolo(splits, out)
    for split, folder in splits.items():
        counts = f"{counted(written.images[split], 'image')} with {counted(written.people[split], 'person', 'people')}"
        print(f"{config.out / 'data.yaml'}: {split}: {counts}")
        yield from folder.left_out(r.at(str(p.entry.get("file_name"))) for p in folder.pictures for r in p.remarks)
    several = {"categories, now one": len(next(iter(splits.values())).labels.people.identities)}
    parts = [f"{count} {what}" for what, count in written.lost.items() if count]
    parts += [f"{count} {what}" for what, count in several.items() if count > 1]
    print(f"not held by the format: people's areas{''.join(f', {part}' for part in parts)}")
    if len(splits) == 1:
        print("val: the images of train, since Ultralytics requires both")
    yield from written.remarks


def _to_coco(config: ConvertConfig, out: Path) -> Iterator[Remark]:
    """Yields remarks."""
    (path,) = config.data
    found = find_description(path)
    assert found is not None
    named = read_description(found).splits if path in (found, found.parent) else {path.resolve().name: [path]}
    written: dict[tuple[Path, ...], str] = {}
    for name, places in named.items():
        if same := written.get(tuple(places)):
            print(f"{name}: the images of {same}; not written again")
            continue
        written[tuple(places)] = name
        split = read_split(path, name)
        assert split is not None
        _write_coco(split, out / name)
        images = counted(len(split.json["images"]), "image")
        people = sum(entry["num_keypoints"] > 0 for entry in split.json["annotations"])
        print(f"{config.out / name}: {images} with {counted(people, 'person', 'people')}")
        yield from split.remarks


def _write_coco(split: YoloSplit, folder: Path) -> None:
    """Write a COCO folder with copies of the images."""
    folder.mkdir()
    (folder / "annotations.json").write_text(json.dumps(split.json), encoding="utf-8")
    for entry in track(split.json["images"], f"writing {folder.name}"):
        target = folder / "images" / entry["file_name"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(split.images / entry["file_name"], target)
