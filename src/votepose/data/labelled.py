"""Loads labelled folders in COCO or YOLO format: images and people, decoded once into memory or on demand."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, overload

from votepose.data.coco_json.labels import CocoLabels, LabelledImage, coco_labels, read_coco_json
from votepose.data.image_files import ImageFiles
from votepose.data.remarks import Remark
from votepose.data.sample import Sample, read_sample
from votepose.data.yolo.reader import read_split
from votepose.errors import VoteposeError
from votepose.io.files import save_text
from votepose.skeleton import Skeleton
from votepose.utils.machine import usable_cpus
from votepose.utils.parallel import ordered_map
from votepose.utils.progress import track

# exceptions of Pillow, zipfile and malformed json entries for one image
_UNUSABLE = (OSError, LookupError, TypeError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class LabelledDataset:
    """Samples with one skeleton.

    Attributes:
        samples: the usable images and their people, in memory or read at each access.
        skeleton: skeleton of the people.
        annotations: path of their json or data.yaml, if any.
        left_out: remarks on data that was left out or adjusted, with the reasons.
        category_id: category id of people in the json.
        labels: all labels of the json, which metrics compare with.
    """

    samples: Sequence[Sample]
    skeleton: Skeleton
    annotations: Path | None = None
    left_out: list[Remark] = field(default_factory=list)
    category_id: int | str = 1
    labels: CocoLabels | None = None

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self  # it is immutable and large


@dataclass(frozen=True)
class LabelledFolder:
    """A labelled folder; its images are read one by one.

    Attributes:
        path: the path as given. annotations: its json or data.yaml.
        listed: number of images in it. pictures: those with a usable entry.
        labels: labels of all images. files: files of the images.
    """

    path: Path
    annotations: Path
    listed: int
    pictures: list[LabelledImage]
    labels: CocoLabels
    files: ImageFiles

    @staticmethod
    def open(path: Path, limit: int | None = None, split: str = "train") -> LabelledFolder:
        """Read the labels of the first `limit` images.

        Args:
            path: a folder with annotations.json beside images/ or images-*.zip; or a YOLO pose dataset: its data.yaml,
                the folder of that, or a folder of images in it.
            split: split of a YOLO dataset: train, val or test.

        Raises:
            VoteposeError: if the json or data.yaml is missing or unreadable.
        """
        yolo = read_split(path, split, limit)
        if yolo is not None:
            labels = coco_labels(yolo.json, yolo.description)
            labels = replace(labels, left_out=[*yolo.remarks, *labels.left_out])
            files = ImageFiles(yolo.images)
            return LabelledFolder(path, yolo.description, yolo.listed, list(labels.pictures.values()), labels, files)
        annotations = path / "annotations.json"
        data = read_coco_json(annotations)
        labels = coco_labels(data, annotations)
        pictures, listed = list(labels.pictures.values())[:limit], len(data["images"][:limit])
        files = ImageFiles(path / "images", list(path.glob("images*.zip")))
        return LabelledFolder(path, annotations, listed, pictures, labels, files)

    def read(self, picture: LabelledImage) -> tuple[Sample | None, list[Remark]]:
        """Read an image and its people: the sample, None if unusable, and remarks on what was left out or adjusted."""
        try:
            return read_sample(picture, self.files.read(picture.entry), len(self.labels.skeleton))
        except _UNUSABLE as error:
            return None, [_remark(picture.entry, error)]

    def load(self) -> LabelledDataset:
        """Read all images.

        Raises:
            VoteposeError: if none can be used.
        """
        count, labels = len(self.pictures), self.labels
        read = ordered_map(self.read, self.pictures, usable_cpus())
        found = list(track(read, f"reading {self.path.name}", count, shown=count >= 200))
        samples = [sample for sample, _ in found if sample is not None]
        left_out = self.left_out(remark for _, remarks in found for remark in remarks)
        self.require_some(len(samples), left_out)
        return LabelledDataset(samples, labels.skeleton, self.annotations, left_out, labels.people.category_id, labels)

    def on_demand(self) -> LabelledDataset:
        """A dataset whose images are decoded at each access."""
        labels, samples, left_out = self.labels, SamplesOnDemand(self), self.left_out([])
        return LabelledDataset(samples, labels.skeleton, self.annotations, left_out, labels.people.category_id, labels)

    def left_out(self, remarks: Iterable[Remark]) -> list[Remark]:
        """All remarks on what was left out or adjusted: on zips, on labels, and the given ones on images."""
        return [*self.files.left_out, *self.labels.left_out, *remarks]

    def require_some(self, usable: int, left_out: Sequence[Remark]) -> None:
        """Raise VoteposeError if no image is usable."""
        if not usable:
            first = f"; first: {left_out[0]}" if left_out else ""
            raise VoteposeError(f"{self.path}: none of its {self.listed} images can be used{first}")


class SamplesOnDemand(Sequence[Sample]):
    """The samples of a folder, decoded at each access. An unusable image is replaced by the next usable one."""

    def __init__(self, folder: LabelledFolder) -> None:
        self._folder = folder
        self._named: set[int] = set()

    def __len__(self) -> int:
        return len(self._folder.pictures)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        """The sample or samples at `index`. Raises VoteposeError if no image can be used."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        pictures = self._folder.pictures
        if not -len(pictures) <= index < len(pictures):
            raise IndexError(index)
        remarks: list[Remark] = []
        for place in (number % len(pictures) for number in range(index, index + len(pictures))):
            sample, remarks = self._folder.read(pictures[place])
            if sample is not None:
                return sample
            if place not in self._named:
                self._named.add(place)
                print(f"{self._folder.path}: {'; '.join(map(str, remarks))}; left out")
        self._folder.require_some(0, remarks)
        raise IndexError(index)


def load_labelled(path: Path, limit: int | None = None, split: str = "train") -> LabelledDataset:
    """Load the first `limit` images of a labelled folder; see `LabelledFolder.open` for the arguments.

    Unusable images and annotations are left out and listed in `left_out`; see `coco_labels` for what is usable.

    Raises:
        VoteposeError: if the json or data.yaml is missing or unreadable, or no image can be used.
    """
    return LabelledFolder.open(path, limit, split).load()


def relabel(folder: Path, out: Path, data: dict[str, Any]) -> None:
    """Create the folder `out` with links to the images of `folder` and with `data` as annotations.json."""
    out.mkdir(parents=True, exist_ok=True)
    for pictures in folder.glob("images*"):
        link = out / pictures.name
        link.unlink(missing_ok=True)
        link.symlink_to(pictures.resolve())
    save_text(json.dumps(data), out / "annotations.json")


def _remark(entry: dict[str, Any], error: Exception) -> Remark:
    name = str(entry.get("file_name", "?"))
    text = next(iter(str(error).splitlines()), "")
    if isinstance(error, KeyError):
        text = f"the json's entry lacks {text}"
    return Remark(text.removeprefix(f"{name}: ") or type(error).__name__, place=name)
