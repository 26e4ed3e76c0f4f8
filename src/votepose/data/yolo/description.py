"""Reads data.yaml, which describes images, classes and keypoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from votepose.errors import VoteposeError, one_line
from votepose.skeleton import COCO_17
from votepose.utils.sides import pairs_by_name

SPLITS = ("train", "val", "test")
NAME = "data.yaml"
EXTENSIONS = ("skeleton", "sigmas", "flip_pairs")  # keys of a COCO category that data.yaml may hold, too


@dataclass(frozen=True)
class Description:
    """The content of a data.yaml.

    Attributes:
        path: path of the file.
        joints: number of keypoints. values: number of values per keypoint in a label: 2 (x, y) or 3 (and visibility).
        categories: the classes as categories of a COCO json; the id is the class number plus 1.
        splits: for each split, its image folders or text files that list images.
    """

    path: Path
    joints: int
    values: int
    categories: dict[int, dict[str, Any]]
    splits: dict[str, list[Path]]


def find_description(path: Path) -> Path | None:
    """The data.yaml of a dataset, given that file, its folder, or an image folder in it; None if there is none."""
    if path.suffix.lower() in (".yaml", ".yml"):
        return path
    if (path / "annotations.json").exists():
        return None
    folders = [path, *path.absolute().parents[:3]] if path.is_dir() else []
    return next((folder / NAME for folder in folders if (folder / NAME).is_file()), None)


def read_description(path: Path) -> Description:
    """Read a data.yaml.

    Raises:
        VoteposeError: if it cannot be read or does not describe keypoints.
    """
    try:
        data = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        raise VoteposeError(f"{path}: not found") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise VoteposeError(f"{path}: not readable as YAML ({one_line(error, 120)})") from None
    if not isinstance(data, dict) or "kpt_shape" not in data:
        raise VoteposeError(f"{path}: lacks kpt_shape, which a YOLO pose dataset needs, such as [17, 3]")
    joints, values = _shape(data["kpt_shape"], path)
    names = _numbered(data.get("names") or ["person"], "names", path)
    categories = {number: _category(number, str(name), joints, data, path) for number, name in names.items()}
    return Description(path, joints, values, categories, _splits(data, path))


def _shape(shape: Any, path: Path) -> tuple[int, int]:
    if not (isinstance(shape, list) and len(shape) == 2 and all(type(n) is int for n in shape)):
        raise VoteposeError(f"{path}: kpt_shape should be [keypoints, 2 or 3], but is {shape!r}")
    if shape[0] < 1 or shape[1] not in (2, 3):
        raise VoteposeError(f"{path}: kpt_shape should be [keypoints, 2 or 3], but is {shape!r}")
    return shape[0], shape[1]


def _numbered(entries: Any, key: str, path: Path) -> dict[int, Any]:
    """A list, or a mapping from numbers, as a dict by number."""
    if isinstance(entries, list):
        return dict(enumerate(entries))
    if isinstance(entries, dict) and all(type(number) is int for number in entries):
        return entries
    raise VoteposeError(f"{path}: {key} should be a list, or a mapping from class numbers, but is {entries!r}")


def _category(number: int, name: str, joints: int, data: dict[str, Any], path: Path) -> dict[str, Any]:
    """A class as the category of a COCO json.

    Keypoints are named by `kpt_names`; COCO's are also recognised by their flip_idx; others are numbered.
    """
    flip, names = _flip(data.get("flip_idx"), joints, path), _joint_names(data.get("kpt_names"), number, joints, path)
    if names is None and flip == COCO_17.flip.tolist():
        names = list(COCO_17.names)
    category: dict[str, Any] = {"id": number + 1, "name": name}
    category["keypoints"] = names or [f"keypoint_{k}" for k in range(joints)]
    if category["keypoints"] == list(COCO_17.names):  # other readers of COCO jsons need the links
        category["skeleton"] = COCO_17.to_coco_category()["skeleton"]
    if flip is not None and "flip_pairs" not in data:
        named = pairs_by_name(category["keypoints"])  # names tell left from right
        pairs = [(a, b) for a, b in enumerate(flip) if a < b]
        category["flip_pairs"] = [[b + 1, a + 1] if (b, a) in named else [a + 1, b + 1] for a, b in pairs]
    return category | {key: data[key] for key in EXTENSIONS if key in data}


def _flip(flip: Any, joints: int, path: Path) -> list[int] | None:
    """The index of each keypoint's mirror image."""
    if flip is None:
        return None
    whole = isinstance(flip, list) and sorted(map(repr, flip)) == sorted(map(repr, range(joints)))
    if not whole or any(flip[flip[k]] != k for k in range(joints)):
        raise VoteposeError(
            f"{path}: flip_idx should list each keypoint's mirror image, numbers 0 to {joints - 1}, but is {flip!r}"
        )
    return flip


def _joint_names(names: Any, number: int, joints: int, path: Path) -> list[str] | None:
    """A class's keypoint names in kpt_names, which is a list per class, or one list."""
    if isinstance(names, dict):
        names = names.get(number)
    if names is None:
        return None
    if not isinstance(names, list) or len(names) != joints:
        raise VoteposeError(f"{path}: kpt_names should list {joints} names for each class, but is {names!r}")
    return [str(name) for name in names]


def _splits(data: dict[str, Any], path: Path) -> dict[str, list[Path]]:
    stated = Path(str(data.get("path") or "."))
    # Ultralytics resolves a relative `path` against a folder in its settings; here it is relative to the file's folder,
    # or is that folder.
    root = path.parent / stated if (path.parent / stated).is_dir() else path.parent
    found: dict[str, list[Path]] = {}
    for split in SPLITS:
        places = data.get(split)
        if places:
            found[split] = [_place(root, str(p)) for p in (places if isinstance(places, list) else [places])]
    return found


def _place(root: Path, place: str) -> Path:
    """A path relative to the dataset; some exporters write ../train/images for the folder train beside data.yaml."""
    inside = root / place.removeprefix("../")
    return inside if not (root / place).exists() and inside.exists() else root / place
