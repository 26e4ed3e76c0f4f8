"""Converts a YOLO pose dataset to the content of a COCO json, so that one parser reads all labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from votepose.data.remarks import Remark
from votepose.data.yolo.description import Description, find_description, read_description
from votepose.data.yolo.labels import label_path, read_labels
from votepose.errors import VoteposeError, one_line
from votepose.io.folders import LeftOut, search
from votepose.io.images import image_size
from votepose.io.results.coco import image_numbers
from votepose.utils.machine import usable_cpus
from votepose.utils.parallel import ordered_map


@dataclass(frozen=True)
class YoloSplit:
    """The labels of one split.

    Attributes:
        description: the data.yaml. images: base folder of the json's file names.
        listed: number of images.
        json: `images`, `annotations` and `categories` of a COCO json.
        remarks: remarks on labels that were left out or adjusted, with label file and line.
    """

    description: Path
    images: Path
    listed: int
    json: dict[str, Any]
    remarks: list[Remark]


def read_split(path: Path, split: str, limit: int | None = None) -> YoloSplit | None:
    """Read the labels of the first `limit` images of a split; None if `path` is not a YOLO dataset.

    Args:
        path: a data.yaml, its folder, or an image folder in it, which overrides `split`.

    Raises:
        VoteposeError: if the data.yaml cannot be used, an image folder is missing, or no image has a label file.
    """
    found = find_description(path)
    if found is None:
        return None
    described = read_description(found)
    places = described.splits.get(split, []) if path in (found, found.parent) else [path]
    if not places:
        raise VoteposeError(f"{found}: has no entry `{split}`")
    files, remarks = _image_files(places, found)
    if not files:
        raise VoteposeError(f"{found}: there are no images in {', '.join(map(str, places))}")
    labels = [label_path(file) for file in files]
    if not any(label.is_file() for label in labels):
        raise VoteposeError(f"{found}: none of its {len(files)} images has a label file, such as {labels[0]}")
    if all(place.is_dir() for place in places):
        lost = Remark("belongs to no image; left out")
        remarks += [lost.at(_shown(label, found)) for label in _others(places, labels)]
    alone = len(places) == 1 and places[0].is_dir()
    root = Path(os.path.abspath(places[0]) if alone else os.path.commonpath([file.parent for file in files]))
    data, more = _as_coco(files[:limit], root, described)
    return YoloSplit(found, root, len(files[:limit]), data, [*remarks, *more])


def _image_files(places: Sequence[Path], description: Path) -> tuple[list[Path], list[Remark]]:
    """The absolute paths of the images in folders and lists, without duplicates, and remarks on unreadable folders."""
    files: dict[Path, None] = {}
    left_out = LeftOut()
    for place in map(Path, map(os.path.abspath, places)):
        if place.is_dir():
            files |= dict.fromkeys(path for path, _ in search(place, True, None, left_out, videos=False))
        elif place.is_file() and place.suffix == ".txt":
            lines = place.read_text(encoding="utf-8-sig", errors="replace").splitlines()
            paths = (os.path.abspath(place.parent / line.strip()) for line in lines if line.strip())
            files |= dict.fromkeys(map(Path, paths))
        else:
            raise VoteposeError(f"{description}: {place} is neither a folder of images nor a text file that lists them")
    return list(files), [Remark(trouble) for trouble in left_out.troubles]


def _others(places: Sequence[Path], labels: Sequence[Path]) -> list[Path]:
    """Label files without an image in the same folders."""
    folders = {label_path(Path(os.path.abspath(place)) / "any.jpg").parent for place in places}
    return sorted({path for folder in folders for path in folder.rglob("*.txt")} - set(labels))


def _as_coco(files: Sequence[Path], root: Path, described: Description) -> tuple[dict[str, Any], list[Remark]]:
    names = [file.relative_to(root).as_posix() for file in files]
    by_name = bool(image_numbers(names))
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    remarks: list[Remark] = []
    read = ordered_map(lambda file: _read(file, described), files, usable_cpus())
    for number, (file, name, (size, people, its_remarks)) in enumerate(zip(files, names, read, strict=True), start=1):
        remarks += its_remarks
        if size is None:
            continue
        image_id = int(file.stem) if by_name else number
        images.append({"id": image_id, "file_name": name, "width": size[0], "height": size[1]})
        annotations += [{"id": k, "image_id": image_id} | one for k, one in enumerate(people, len(annotations) + 1)]
    categories = list(described.categories.values())
    return {"images": images, "annotations": annotations, "categories": categories}, remarks


def _read(file: Path, described: Description) -> tuple[tuple[int, int] | None, list[dict[str, Any]], list[Remark]]:
    """An image's size (None if it cannot be read), its annotations, and remarks."""
    try:
        size = image_size(file)
    except VoteposeError as error:
        return None, [], [Remark(str(error))]
    path = label_path(file)
    shown = _shown(path, described.path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return size, [], [Remark("has no label file; taken as without people", adjusted=True, place=file.name)]
    except (OSError, ValueError) as error:
        return size, [], [Remark(f"not readable as text ({one_line(error)}); left out", place=shown)]
    annotations, remarks = read_labels(text, size, described)
    return size, annotations, [remark.at(shown) for remark in remarks]


def _shown(path: Path, description: Path) -> str:
    """A path for messages, relative to the dataset if inside it."""
    return os.path.relpath(path, description.parent)
