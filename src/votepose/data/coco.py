"""COCO-format folders -> pictures and people in memory, decoded once."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from votepose.errors import VoteposeError
from votepose.skeleton import COCO_17, Skeleton
from votepose.sources import read_image

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
        ignore: (R, 4) boxes where people are of whom nothing is known: crowds, people without keypoints.
        complete: whether everybody in the picture is labelled or in an ignore box.
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


@dataclass(frozen=True)
class CocoDataset:
    """Samples of one skeleton; `left_out` says what of the json `annotations` could not be used, and why."""

    samples: list[Sample]
    skeleton: Skeleton
    annotations: Path | None = None
    left_out: list[str] = field(default_factory=list)
    category_id: int = 1


def concat(datasets: Sequence[CocoDataset]) -> CocoDataset:
    """All samples of datasets with one skeleton.

    Raises:
        VoteposeError: if their skeletons differ.
    """
    if len({d.skeleton for d in datasets}) != 1:
        raise VoteposeError("the datasets' skeletons differ: train on one kind of body at a time")
    samples = [s for d in datasets for s in d.samples]
    return CocoDataset(samples, datasets[0].skeleton, None, [line for d in datasets for line in d.left_out])


def load_coco(folder: Path, limit: int | None = None) -> CocoDataset:
    """Load `folder`: annotations.json beside images/ or images-*.zip; the first `limit` pictures.

    Pictures and annotations that cannot be used are left out and named in `left_out`. Of several categories the first
    with keypoints counts. People without a box get their keypoints' hull.

    Raises:
        VoteposeError: if the json is missing or unreadable, or no picture can be used.
    """
    path = folder / "annotations.json"
    data = _read_json(path)
    category = next((c for c in data.get("categories") or () if c.get("keypoints")), None)
    try:
        skeleton = Skeleton.from_coco_category(category) if category else COCO_17
    except ValueError as error:
        raise VoteposeError(f"{path}: {error}") from None
    category_id = category.get("id", 1) if category else 1
    by_image: dict[int, list[dict[str, Any]]] = {}
    for annotation in data.get("annotations") or ():
        if annotation.get("category_id", category_id) == category_id:
            by_image.setdefault(annotation.get("image_id"), []).append(annotation)
    store = _Pictures(folder)

    def read(entry: dict[str, Any]) -> tuple[Sample | None, list[str]]:
        try:
            return _sample(entry, store.read(entry), by_image.get(entry["id"], []), len(skeleton))
        except _UNUSABLE as error:
            return None, [_remark(entry, error)]

    entries = data["images"][:limit]
    with ThreadPoolExecutor(4) as pool:
        found = list(
            track(pool.map(read, entries), f"reading {folder.name}", total=len(entries), disable=len(entries) < 200)
        )
    samples = [sample for sample, _ in found if sample is not None]
    left_out = store.left_out + [line for _, lines in found for line in lines]
    if not samples:
        first = f"; first: {left_out[0]}" if left_out else ""
        raise VoteposeError(f"{folder}: none of its {len(entries)} pictures can be used{first}")
    return CocoDataset(samples, skeleton, path, left_out, category_id)


def _remark(entry: Any, error: Exception) -> str:
    name = entry.get("file_name", "?") if isinstance(entry, dict) else "?"
    text = next(iter(str(error).splitlines()), "")
    if isinstance(error, KeyError):
        text = f"the json's entry lacks {text}"
    return text if text.startswith(str(name)) else f"{name}: {text or type(error).__name__}"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        raise VoteposeError(
            f"{path}: not found; a data folder holds annotations.json beside images/ or images-*.zip"
        ) from None
    except (OSError, ValueError) as error:
        raise VoteposeError(f"{path}: not readable as json ({error})") from None
    if not isinstance(data, dict) or not isinstance(data.get("images"), list) or not data["images"]:
        raise VoteposeError(f"{path}: lists no images; it should be a COCO keypoints json")
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
    scale = np.array([width / (entry.get("width") or width), height / (entry.get("height") or height)], np.float32)
    name, remarks = str(entry["file_name"]), []
    if abs(scale - 1).max() > 0.01:
        remarks.append(f"{name}: is {width}x{height}, the json says otherwise; its labels were scaled")
    people, boxes, areas, ignore = [], [], [], []
    for annotation in annotations:
        box = _clipped(np.asarray(annotation.get("bbox", (0, 0, 0, 0)), np.float32), scale, width, height)
        points = np.asarray(annotation.get("keypoints", []), np.float32)
        if points.size and points.size != 3 * count:
            remarks.append(
                f"{name}: an annotation has {points.size} keypoint numbers instead of {3 * count}; ignored region"
            )
        if annotation.get("iscrowd") or points.size != 3 * count or not (points[2::3] > 0).any():
            if box[2] > 0 and box[3] > 0:
                ignore.append(box)
            continue
        points = points.reshape(count, 3).copy()
        points[:, :2] *= scale
        if box[2] <= 0 or box[3] <= 0:
            labelled = points[points[:, 2] > 0, :2]
            low, high = labelled.min(axis=0), labelled.max(axis=0)
            box = _clipped(np.concatenate([low, high - low]), np.ones(2, np.float32), width, height)
        people.append(points)
        boxes.append(box)
        areas.append(float(annotation.get("area") or 0.53 * box[2] * box[3]) * scale.prod())
    sample = Sample(
        int(entry["id"]), name, pixels, np.array(people, np.float32).reshape(-1, count, 3),
        np.array(boxes, np.float32).reshape(-1, 4), np.array(areas, np.float32),
        np.array(ignore, np.float32).reshape(-1, 4), bool(entry.get("persons_complete", True)),
        (float(scale[0]), float(scale[1])),
    )  # fmt: skip
    return sample, remarks


def _clipped(box: np.ndarray, scale: np.ndarray, width: int, height: int) -> np.ndarray:
    """A box (x, y, w, h) scaled and cut to the picture."""
    low = np.clip(box[:2] * scale, 0, (width, height))
    high = np.clip((box[:2] + box[2:]) * scale, 0, (width, height))
    return np.concatenate([low, high - low])
