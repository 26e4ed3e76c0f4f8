"""COCO-format folders -> pictures and people in memory, decoded once."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from rich.progress import track

from votepose.errors import VoteposeError
from votepose.skeleton import COCO_17, Skeleton


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
    """

    image_id: int
    name: str
    image: np.ndarray
    keypoints: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    ignore: np.ndarray
    complete: bool = True


@dataclass(frozen=True)
class CocoDataset:
    """Samples of one skeleton; `annotations` is the json's path, `left_out` says what could not be used, and why."""

    samples: list[Sample]
    skeleton: Skeleton
    annotations: Path | None = None
    left_out: list[str] = field(default_factory=list)


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
    """Load `folder`: annotations.json beside images/ or images-*.zip.

    Pictures and annotations that cannot be used are left out and named in `left_out`.

    Raises:
        VoteposeError: if the json is missing or unreadable, or no picture can be used.
    """
    path = folder / "annotations.json"
    data = _read_json(path)
    category = next((c for c in data.get("categories", []) if c.get("keypoints")), None)
    try:
        skeleton = Skeleton.from_coco_category(category) if category else COCO_17
    except ValueError as error:
        raise VoteposeError(f"{path}: {error}") from None
    by_image: dict[int, list[dict[str, Any]]] = {}
    for annotation in data.get("annotations", []):
        by_image.setdefault(annotation.get("image_id"), []).append(annotation)
    left_out: list[str] = []
    store = _Pictures(folder)
    entries = data["images"][:limit]

    def read(entry: dict[str, Any]) -> Sample | None:
        try:
            pixels = store.read(entry)
        except (OSError, KeyError, ValueError, SyntaxError, zipfile.BadZipFile, Image.DecompressionBombError) as error:
            left_out.append(f"{entry.get('file_name', '?')}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
            return None
        return _sample(entry, pixels, by_image.get(entry["id"], []), len(skeleton), left_out)

    with ThreadPoolExecutor(4) as pool:
        found = track(pool.map(read, entries), f"reading {folder.name}", total=len(entries), disable=len(entries) < 200)
        samples = [sample for sample in found if sample is not None]
    if not samples:
        first = f"; first: {left_out[0]}" if left_out else ""
        raise VoteposeError(f"{folder}: none of its {len(entries)} pictures can be used{first}")
    return CocoDataset(samples, skeleton, path, left_out)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        raise VoteposeError(f"{path}: not found; a data folder holds annotations.json beside images/ or images-*.zip") from None
    except (OSError, ValueError) as error:
        raise VoteposeError(f"{path}: not readable as json ({error})") from None
    if not isinstance(data, dict) or not isinstance(data.get("images"), list) or not data["images"]:
        raise VoteposeError(f"{path}: lists no images; it should be a COCO keypoints json")
    return data


class _Pictures:
    """Pictures of a folder, plain or in zips."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.zips = {p.name: zipfile.ZipFile(p) for p in sorted(folder.glob("images*.zip"))}
        self.where = {name: z for z in self.zips.values() for name in z.namelist()}

    def read(self, entry: dict[str, Any]) -> np.ndarray:
        name = entry["file_name"]
        plain = self.folder / "images" / name
        shard = self.zips.get(entry.get("shard", ""), self.where.get(name))
        if plain.is_file():
            raw = plain.read_bytes()
        elif shard is not None:
            raw = shard.read(name)
        else:
            raise FileNotFoundError(f"neither in {self.folder / 'images'} nor in a zip")
        with Image.open(io.BytesIO(raw)) as picture:
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


def _sample(entry: dict[str, Any], pixels: np.ndarray, annotations: list[dict[str, Any]], count: int,
            left_out: list[str]) -> Sample:  # fmt: skip
    height, width = pixels.shape[:2]
    scale = np.array([width / (entry.get("width") or width), height / (entry.get("height") or height)], np.float32)
    name = str(entry.get("file_name", entry["id"]))
    if abs(scale - 1).max() > 0.01:
        left_out.append(f"{name}: is {width}x{height}, the json says otherwise; its labels were scaled")
    people, boxes, areas, ignore = [], [], [], []
    for annotation in annotations:
        box = _clipped(np.asarray(annotation.get("bbox", (0, 0, 0, 0)), np.float32), scale, width, height)
        points = np.asarray(annotation.get("keypoints", []), np.float32)
        if points.size and points.size != 3 * count:
            left_out.append(f"{name}: an annotation has {points.size} keypoint numbers instead of {3 * count}; ignored region")
        if annotation.get("iscrowd") or points.size != 3 * count or not (points[2::3] > 0).any():
            if box[2] > 0 and box[3] > 0:
                ignore.append(box)
            continue
        points = points.reshape(count, 3).copy()
        points[:, :2] *= scale
        people.append(points)
        boxes.append(box)
        areas.append(float(annotation.get("area") or 0.53 * box[2] * box[3]) * scale.prod())
    return Sample(
        int(entry["id"]), name, pixels, np.array(people, np.float32).reshape(-1, count, 3),
        np.array(boxes, np.float32).reshape(-1, 4), np.array(areas, np.float32),
        np.array(ignore, np.float32).reshape(-1, 4), bool(entry.get("persons_complete", True)),
    )  # fmt: skip


def _clipped(box: np.ndarray, scale: np.ndarray, width: int, height: int) -> np.ndarray:
    """A box (x, y, w, h) scaled and cut to the picture."""
    low = np.clip(box[:2] * scale, 0, (width, height))
    high = np.clip((box[:2] + box[2:]) * scale, 0, (width, height))
    return np.concatenate([low, high - low])


