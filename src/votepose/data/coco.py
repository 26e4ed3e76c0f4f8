"""COCO-format folders -> pictures and people in memory, decoded once."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from votepose.errors import VoteposeError
from votepose.io.files import save_text
from votepose.io.images import read_image
from votepose.skeleton import BODY_SHARE, COCO_17, Skeleton
from votepose.utils.progress import track

# what Pillow, zipfile and a careless json raise over one picture
_UNUSABLE = (OSError, LookupError, TypeError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Sample:
    """One picture and the people in it, in its own pixels.

    Attributes:
        image_id, name: of the picture.
        image: (height, width, 3) uint8 RGB.
        keypoints: (N, K, 3) x, y and COCO's v: 0 unlabelled, 1 hidden, 2 visible.
        boxes: (N, 4) x, y, width, height. areas: (N,).
        ignore: (R, 4) boxes of people without known joints: crowds, and people without keypoints.
        complete: whether all people in the picture are labelled or in an ignore box.
        scale: pixels of the picture for one of those that the json counts in, along x and y; mostly 1.
    """

    image_id: int
    name: str
    image: np.ndarray
    keypoints: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    ignore: np.ndarray
    complete: bool = True
    scale: tuple[float, float] = (1.0, 1.0)

    def untold(self, points: np.ndarray) -> np.ndarray:
        """(P,) bool: unlabelled people may be at points (P, 2): in ignore boxes and incompletely labelled pictures."""
        if not self.complete:
            return np.ones(len(points), bool)
        low, high = self.ignore[:, :2], self.ignore[:, :2] + self.ignore[:, 2:]
        return ((points[:, None] >= low) & (points[:, None] < high)).all(axis=-1).any(axis=-1)


@dataclass(frozen=True)
class CocoDataset:
    """Samples of one skeleton; `left_out` lists what of the json `annotations` could not be used, and why."""

    samples: list[Sample]
    skeleton: Skeleton
    annotations: Path | None = None
    left_out: list[str] = field(default_factory=list)
    category_id: int = 1


def load_coco(folder: Path, limit: int | None = None) -> CocoDataset:
    """Load `folder`: annotations.json beside images/ or images-*.zip; the first `limit` pictures.

    Pictures and annotations that cannot be used are left out and named in `left_out`. Of several categories the first
    with keypoints counts. PoseOutputs without a box get their keypoints' hull.

    Raises:
        VoteposeError: if the json is missing or unreadable, or no picture can be used.
    """
    path = folder / "annotations.json"
    data = _read_json(path)
    category = next((c for c in data.get("categories") or () if c.get("keypoints")), None)
    try:
        skeleton = Skeleton.from_coco_category(category) if category else COCO_17
    except (TypeError, ValueError) as error:
        raise VoteposeError(f"{path}: its category cannot be used ({error})") from None
    category_id = category.get("id", 1) if category else 1
    by_image: dict[int, list[dict[str, Any]]] = {}
    for annotation in data.get("annotations") or ():
        listed = isinstance(annotation.get("image_id"), int | str)
        if listed and annotation.get("category_id", category_id) == category_id:
            by_image.setdefault(annotation.get("image_id"), []).append(annotation)
    store = _Pictures(folder)

    def read(entry: dict[str, Any]) -> tuple[Sample | None, list[str]]:
        try:
            return _sample(entry, store.read(entry), by_image.get(entry["id"], []), len(skeleton))
        except _UNUSABLE as error:
            return None, [_remark(entry, error)]

    entries = data["images"][:limit]
    with ThreadPoolExecutor(4) as pool:
        shown = track(pool.map(read, entries), f"reading {folder.name}", len(entries), shown=len(entries) >= 200)
        found = list(shown)
    samples = [sample for sample, _ in found if sample is not None]
    left_out = store.left_out + [line for _, lines in found for line in lines]
    if not samples:
        first = f"; first: {left_out[0]}" if left_out else ""
        raise VoteposeError(f"{folder}: none of its {len(entries)} pictures can be used{first}")
    return CocoDataset(samples, skeleton, path, left_out, category_id)


def relabel(folder: Path, out: Path, data: dict[str, Any]) -> None:
    """Make `out` a folder of the pictures of `folder`, by links, whose annotations.json is `data`."""
    out.mkdir(parents=True, exist_ok=True)
    for pictures in folder.glob("images*"):
        link = out / pictures.name
        link.unlink(missing_ok=True)
        link.symlink_to(pictures.resolve())
    save_text(json.dumps(data), out / "annotations.json")


def _remark(entry: Any, error: Exception) -> str:
    name = entry.get("file_name", "?") if isinstance(entry, dict) else "?"
    text = next(iter(str(error).splitlines()), "")
    if isinstance(error, KeyError):
        text = f"the json's entry lacks {text}"
    return text if text.startswith(str(name)) else f"{name}: {text or type(error).__name__}"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise VoteposeError(
            f"{path}: not found; a data folder holds annotations.json beside images/ or images-*.zip"
        ) from None
    except (OSError, ValueError) as error:
        raise VoteposeError(f"{path}: not readable as json ({error})") from None
    if not isinstance(data, dict) or not isinstance(data.get("images"), list) or not data["images"]:
        raise VoteposeError(f"{path}: lists no images; it should be a COCO keypoints json")
    for section in ("annotations", "categories"):
        entries = data.get(section) or []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise VoteposeError(f"{path}: its {section} are no list of entries; it should be a COCO keypoints json")
    return data


class _Pictures:
    """Pictures of a folder, plain or in zips."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.left_out: list[str] = []
        self.where: dict[tuple[str, str], zipfile.ZipFile] = {}  # by shard, or "" for any, and name
        for path in sorted(folder.glob("images*.zip")):
            try:
                shard = zipfile.ZipFile(path)
            except (OSError, zipfile.BadZipFile) as error:
                self.left_out.append(f"{path.name}: not a readable zip file ({error})")
                continue
            self.where |= {(key, name): shard for name in shard.namelist() for key in ("", path.name)}

    def read(self, entry: dict[str, Any]) -> np.ndarray:
        name = entry["file_name"]
        plain = self.folder / "images" / name
        shard = self.where.get((entry.get("shard", ""), name), self.where.get(("", name)))
        if plain.is_file():
            raw = plain.read_bytes()
        elif shard is not None:
            raw = shard.read(name)
        else:
            raise FileNotFoundError(f"neither in {self.folder / 'images'} nor in a zip")
        file = io.BytesIO(raw)
        file.name = name  # so that an error names it
        return read_image(file)


def _sample(
    entry: dict[str, Any], pixels: np.ndarray, annotations: list[dict[str, Any]], count: int
) -> tuple[Sample, list[str]]:
    """The sample, and remarks on what of its annotations could not be used as it was."""
    height, width = pixels.shape[:2]
    told = [entry.get("width") or width, entry.get("height") or height]
    scale = np.array([width, height], np.float32) / told if min(told) > 0 else np.ones(2)
    scale = scale.astype(np.float32)
    name, remarks = str(entry["file_name"]), []
    if abs(scale - 1).max() > 0.01:
        remarks.append(f"{name}: is {width}x{height}, the json says otherwise; its labels were scaled")
    people, boxes, areas, ignore = [], [], [], []
    for annotation in annotations:
        box, remark = _box(annotation.get("bbox"), scale, width, height)
        points, lack = _points(annotation.get("keypoints"), count)
        remarks += [f"{name}: {text}" for text in (remark, lack) if text]
        labelled = points[points[:, 2] > 0, :2] * scale
        if annotation.get("iscrowd") or not len(labelled):
            if box[2] > 0 and box[3] > 0:
                ignore.append(box)
            continue
        points[:, :2] *= scale
        if box[2] <= 0 or box[3] <= 0:
            box = _clipped(np.concatenate([labelled.min(axis=0), np.ptp(labelled, axis=0)]), width, height)
        people.append(points)
        boxes.append(box)
        area = float(annotation.get("area") or 0) * scale.prod()
        areas.append(area if area > 0 else BODY_SHARE * box[2] * box[3])
    sample = Sample(
        int(entry["id"]),
        name,
        pixels,
        np.array(people, np.float32).reshape(-1, count, 3),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(areas, np.float32),
        np.array(ignore, np.float32).reshape(-1, 4),
        bool(entry.get("persons_complete", True)),
        (float(scale[0]), float(scale[1])),
    )
    return sample, remarks


def _points(values: Any, count: int) -> tuple[np.ndarray, str]:
    """(count, 3) keypoints, all unlabelled where they cannot be used, and a remark if so."""
    nothing = np.zeros((count, 3), np.float32)
    if not values:
        return nothing, ""
    if not isinstance(values, list) or len(values) != 3 * count:
        number = len(values) if isinstance(values, list) else "no"
        return nothing, f"an annotation has {number} keypoint numbers instead of {3 * count}; ignored region"
    points = np.array(values, np.float32).reshape(count, 3)
    broken = ~np.isfinite(points).all(axis=1)
    points[broken] = 0
    return points, "an annotation has keypoints that are no numbers; taken as unlabelled" if broken.any() else ""


def _box(values: Any, scale: np.ndarray, width: int, height: int) -> tuple[np.ndarray, str]:
    """A json's box in pixels of the picture and cut to it, empty where it cannot be used, and a remark if so."""
    if values is None:
        return np.zeros(4, np.float32), ""
    box = np.array(values, np.float32)
    if box.shape != (4,) or not np.isfinite(box).all():
        return np.zeros(4, np.float32), "an annotation's box is not four numbers; left out"
    box *= np.tile(scale, 2)
    clipped = _clipped(box, width, height)
    beyond = abs(clipped - box).max() > 1  # less is rounding
    return clipped, "an annotation's box leaves the picture; clipped" if beyond else ""


def _clipped(box: np.ndarray, width: int, height: int) -> np.ndarray:
    """A box (x, y, w, h) cut to the picture."""
    low = np.clip(box[:2], 0, (width, height))
    high = np.clip(box[:2] + box[2:], 0, (width, height))
    return np.concatenate([low, high - low]).astype(np.float32)
