"""COCO keypoint results and annotations."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from votepose.io.appendable import GrowingFile
from votepose.poses import Poses
from votepose.skeleton import Skeleton


class CocoWriter:
    """`results.json`, COCO keypoint results, and `images.json`, whose `images` map each id to its file.

    A video frame has `frame`, counted from 0, and `time`, in seconds since the first frame.

    Args:
        folder: an existing folder, see `prepare_folder`.
        skeleton: the skeleton to write to `images.json`.
        names: names of all images that will be written. The image ids are the files' stems if these are distinct
            integers (as in COCO), else 1, 2, … in the order of writing. The first frame of a video counts as its image;
            the others get free ids.
    """

    def __init__(self, folder: Path, skeleton: Skeleton, names: Sequence[str]) -> None:
        self.path = folder / "results.json"
        self.done: set[str] = set()
        categories = json.dumps([skeleton.to_coco_category()])
        self._people = GrowingFile(self.path, "[\n", ",\n", "\n]\n")
        self._images = GrowingFile(
            folder / "images.json", '{"images": [\n', ",\n", f'\n],\n"categories": {categories}}}\n'
        )
        self._numbers = image_numbers(names)
        self._ids: set[int] = set()
        self._last = 0

    @property
    def empty(self) -> bool:
        """Whether nothing has been written yet."""
        return not self._images.entries

    def begin(self) -> None:
        """Start empty."""
        self._people.begin()
        self._images.begin()

    def resume(self, unfinished: str | None) -> None:
        """Start with an earlier run's results, without those of the video `unfinished`, and add their images to
        `done`."""

        def keep(image: dict[str, Any]) -> bool:
            if image.get("file_name") == unfinished or "id" not in image:
                return False
            self._ids.add(int(image["id"]))
            self.done.add(str(image["file_name"]))
            return True

        self._images.resume(keep)
        self._people.resume(lambda person: person.get("image_id") in self._ids)
        self._last = max(self._ids, default=0)

    def write(self, name: str, poses: Poses, frame: int | None = None, time: float | None = None) -> None:
        """Add an image or video frame. Raises OSError if it cannot be written."""
        number = self._number(name)
        width, height = poses.image_size
        image: dict[str, Any] = {"id": number, "file_name": name, "width": width, "height": height}
        if frame is not None and time is not None:
            image |= {"frame": frame, "time": round(time, 4)}
        mark = self._people.mark
        try:
            for person in self._entries(number, poses):
                self._people.append(json.dumps(person))
            self._images.append(json.dumps(image))
        except BaseException:  # COCO readers reject people whose image is missing
            self._people.back_to(mark)
            raise

    def close(self) -> None:
        """Finish the files."""
        self._people.close()
        self._images.close()

    def discard(self) -> None:
        """Delete what was written, and keep earlier results."""
        self._people.discard()
        self._images.discard()

    def _entries(self, number: int, poses: Poses) -> list[dict[str, Any]]:
        return poses.to_coco(number)

    def _number(self, name: str) -> int:
        if self._numbers and (number := int(_stem(name))) not in self._ids:
            self._ids.add(number)
            return number
        return self._next()  # a further frame of a video, or the names are not numbers

    def _next(self) -> int:
        """The lowest id after the last one from here that is neither used nor an image's own."""
        self._last += 1
        while self._last in self._ids or self._last in self._numbers:
            self._last += 1
        return self._last


class CocoAnnotationsWriter(CocoWriter):
    """`annotations.json`, labels in COCO format (`images`, `annotations` and `categories`), and `images.json`.

    Arguments, image ids and image entries are those of `CocoWriter`.
    """

    def __init__(self, folder: Path, skeleton: Skeleton, names: Sequence[str]) -> None:
        super().__init__(folder, skeleton, names)
        self.path = folder / "annotations.json"
        self._people = GrowingFile(self.path, '{"annotations": [\n', ",\n", "\n]}\n")

    def close(self) -> None:
        """Finish the files: append the images and categories of one to the other."""
        self._images.close()
        with open(self._images.path, "rb") as images:
            images.seek(len("{"))
            self._people.close(images, before=b"\n],\n")

    def _entries(self, number: int, poses: Poses) -> list[dict[str, Any]]:
        return poses.to_coco_annotations(number, first_id=self._people.entries + 1)


def image_numbers(names: Sequence[str]) -> set[int]:
    """The files' stems as COCO image ids, if they are distinct integers, else none."""
    stems = [_stem(name) for name in names]
    numbers = {int(stem) for stem in stems if stem.isascii() and stem.isdecimal()}
    return numbers if len(numbers) == len(stems) else set()


def _stem(name: str) -> str:
    return os.path.splitext(os.path.basename(name))[0]  # pathlib interns every name
