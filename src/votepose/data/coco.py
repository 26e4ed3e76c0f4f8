"""COCO-format folders -> pictures and people in memory, decoded once."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, overload

import numpy as np

from votepose.data.coco_json import values
from votepose.data.coco_json.labels import CocoLabels, Picture, coco_labels, read_coco_json
from votepose.data.picture_files import PictureFiles
from votepose.errors import VoteposeError
from votepose.io.files import save_text
from votepose.skeleton import Skeleton
from votepose.utils.cpus import usable_cpus
from votepose.utils.parallel import ordered_map
from votepose.utils.progress import track

# what Pillow, zipfile and a careless json raise over one picture
_UNUSABLE = (OSError, LookupError, TypeError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Sample:
    """One picture and the people in it, in its own pixels.

    Attributes:
        image_id, name: of the picture, as in the json.
        image: (height, width, 3) uint8 RGB.
        keypoints: (N, K, 3) x, y and COCO's v: 0 unlabelled, 1 hidden, 2 visible.
        boxes: (N, 4) x, y, width, height. areas: (N,).
        ignore: (R, 4) boxes of people without known joints: crowds, and people without keypoints.
        complete: whether all people in the picture are labelled or in an ignore box.
        scale: pixels of the picture for one of those that the json counts in, along x and y; mostly 1.
    """

    image_id: int | str
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
    """Samples of one skeleton.

    Attributes:
        samples: the pictures that can be used, and their people, in memory or read at each access.
        skeleton: of the people.
        annotations: the json they are from, if any.
        left_out: what of it could not be used as it was, and why.
        category_id: of people in it.
        labels: all that it says; metrics compare with these.
    """

    samples: Sequence[Sample]
    skeleton: Skeleton
    annotations: Path | None = None
    left_out: list[str] = field(default_factory=list)
    category_id: int | str = 1
    labels: CocoLabels | None = None

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self  # nothing of it changes, and it is large


@dataclass(frozen=True)
class CocoFolder:
    """A COCO-format folder whose labels are read; its pictures are read one by one.

    Attributes:
        path: the folder. listed: number of pictures in its json. pictures: those of them that are described usably.
        labels: of the json. files: of the pictures.
    """

    path: Path
    listed: int
    pictures: list[Picture]
    labels: CocoLabels
    files: PictureFiles

    @staticmethod
    def open(folder: Path, limit: int | None = None) -> CocoFolder:
        """`folder`: annotations.json beside images/ or images-*.zip; the first `limit` pictures.

        Raises:
            VoteposeError: if the json is missing or unreadable.
        """
        path = folder / "annotations.json"
        data = read_coco_json(path)
        labels = coco_labels(data, path)
        pictures = list(labels.pictures.values())[:limit]
        return CocoFolder(folder, len(data["images"][:limit]), pictures, labels, PictureFiles(folder))

    def read(self, picture: Picture) -> tuple[Sample | None, list[str]]:
        """A picture and its people, None if it cannot be used, and what could not be used as it was."""
        try:
            return _sample(picture, self.files.read(picture.entry), len(self.labels.skeleton))
        except _UNUSABLE as error:
            return None, [_remark(picture.entry, error)]

    def load(self) -> CocoDataset:
        """Read all pictures.

        Raises:
            VoteposeError: if none can be used.
        """
        count, labels = len(self.pictures), self.labels
        read = ordered_map(self.read, self.pictures, usable_cpus())
        found = list(track(read, f"reading {self.path.name}", count, shown=count >= 200))
        samples = [sample for sample, _ in found if sample is not None]
        left_out = self.left_out(line for _, lines in found for line in lines)
        self.require_some(len(samples), left_out)
        annotations = self.path / "annotations.json"
        return CocoDataset(samples, labels.skeleton, annotations, left_out, labels.people.category_id, labels)

    def on_demand(self) -> CocoDataset:
        """The pictures without reading them: each is decoded when it is asked for."""
        labels, annotations = self.labels, self.path / "annotations.json"
        samples, left_out = SamplesOnDemand(self), self.left_out([])
        return CocoDataset(samples, labels.skeleton, annotations, left_out, labels.people.category_id, labels)

    def left_out(self, remarks: Iterable[str]) -> list[str]:
        """What could not be used as it was: zips, labels, and by `remarks`, pictures."""
        return [*self.files.left_out, *self.labels.left_out, *remarks]

    def require_some(self, usable: int, left_out: Sequence[str]) -> None:
        """Raises VoteposeError if none of the pictures is usable."""
        if not usable:
            first = f"; first: {left_out[0]}" if left_out else ""
            raise VoteposeError(f"{self.path}: none of its {self.listed} pictures can be used{first}")


class SamplesOnDemand(Sequence[Sample]):
    """The samples of a folder, decoded at each access. In place of a picture that cannot be used comes the next one."""

    def __init__(self, folder: CocoFolder) -> None:
        self._folder = folder
        self._named: set[int] = set()

    def __len__(self) -> int:
        return len(self._folder.pictures)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        """Raises VoteposeError if no picture can be used."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        pictures = self._folder.pictures
        if not -len(pictures) <= index < len(pictures):
            raise IndexError(index)
        remarks: list[str] = []
        for place in (number % len(pictures) for number in range(index, index + len(pictures))):
            sample, remarks = self._folder.read(pictures[place])
            if sample is not None:
                return sample
            if place not in self._named:
                self._named.add(place)
                print(f"{self._folder.path}: {'; '.join(remarks)}; left out")
        self._folder.require_some(0, remarks)
        raise IndexError(index)


def load_coco(folder: Path, limit: int | None = None) -> CocoDataset:
    """Load `folder`: annotations.json beside images/ or images-*.zip; the first `limit` pictures.

    Pictures and annotations that cannot be used are left out and named in `left_out`; see `coco_labels` for what can.

    Raises:
        VoteposeError: if the json is missing or unreadable, or no picture can be used.
    """
    return CocoFolder.open(folder, limit).load()


def relabel(folder: Path, out: Path, data: dict[str, Any]) -> None:
    """Make `out` a folder of the pictures of `folder`, by links, whose annotations.json is `data`."""
    out.mkdir(parents=True, exist_ok=True)
    for pictures in folder.glob("images*"):
        link = out / pictures.name
        link.unlink(missing_ok=True)
        link.symlink_to(pictures.resolve())
    save_text(json.dumps(data), out / "annotations.json")


def _remark(entry: dict[str, Any], error: Exception) -> str:
    name = entry.get("file_name", "?")
    text = next(iter(str(error).splitlines()), "")
    if isinstance(error, KeyError):
        text = f"the json's entry lacks {text}"
    return text if text.startswith(str(name)) else f"{name}: {text or type(error).__name__}"


def _sample(picture: Picture, pixels: np.ndarray, count: int) -> tuple[Sample, list[str]]:
    """The sample, in the picture's own pixels, and remarks on what of its annotations could not be used as it was."""
    height, width = pixels.shape[:2]
    entry, remarks = picture.entry, list(picture.remarks)
    told = np.array([values.number(entry.get(side)) for side in ("width", "height")])
    scale = np.array([width, height]) / told if (told > 0).all() else np.ones(2)
    scale = scale.astype(np.float32)
    if abs(scale - 1).max() > 0.01:
        remarks.append(f"is {width}x{height}, the json says otherwise; its labels were scaled")
    people, ignore = [], []
    for annotation in picture.annotations:
        whole = annotation.box.astype(np.float32) * np.tile(scale, 2)
        box = _clipped(whole, width, height)
        if annotation.boxed and abs(box - whole).max() > 1:  # less is rounding
            remarks.append("an annotation's box leaves the picture; clipped")
        if annotation.is_person:
            points = annotation.keypoints.astype(np.float32)
            points[:, :2] *= scale
            area = float(np.float32(annotation.area) * scale.prod())
            people.append((points, box if (box[2:] > 0).all() else _around(points, area, width, height), area))
        elif (box[2:] > 0).all():
            ignore.append(box)
    sample = Sample(
        picture.image_id,
        str(entry["file_name"]),
        pixels,
        np.array([points for points, _, _ in people], np.float32).reshape(-1, count, 3),
        np.array([box for _, box, _ in people], np.float32).reshape(-1, 4),
        np.array([area for _, _, area in people], np.float32),
        np.array(ignore, np.float32).reshape(-1, 4),
        values.flag(entry.get("persons_complete", True)) is not False,
        (float(scale[0]), float(scale[1])),
    )
    return sample, [f"{sample.name}: {text}" for text in remarks]


def _around(points: np.ndarray, area: float, width: int, height: int) -> np.ndarray:
    """The box of a person whose box lies outside the picture, from the labelled joints."""
    labelled = points[points[:, 2] > 0, :2]
    box = values.hull(labelled)
    return _clipped(values.square(labelled, area) if box is None else box, width, height)


def _clipped(box: np.ndarray, width: int, height: int) -> np.ndarray:
    """A box (x, y, w, h) cut to the picture."""
    low = np.clip(box[:2], 0, (width, height))
    high = np.clip(box[:2] + box[2:], 0, (width, height))
    return np.concatenate([low, high - low]).astype(np.float32)
