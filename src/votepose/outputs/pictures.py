"""Sinks that write images: drawings, crops of people, a contact sheet."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
from PIL import Image

from votepose.errors import VoteposeError
from votepose.io.files import save_picture
from votepose.io.images import read_image
from votepose.outputs.sink import Item, Prediction, Sink, Take
from votepose.poses import Pose
from votepose.visualization.contact_sheet import captioned, contact_sheet, tile

_MARGIN = 0.2  # margin around the joints' box, relative to its longer side, for hair, hands and feet
_PAGE = 60  # tiles per contact sheet


class DrawnPictures(Sink):
    """Saves each image with its poses drawn; videos are drawn by `video.drawing`."""

    @contextlib.contextmanager
    def open(self, item: Item) -> Iterator[Take]:
        yield (lambda found: None) if item.video else (lambda found: save_picture(found.drawing, item.target))


class Crops(Sink):
    """Saves each person as FOLDER/NAME-01.jpg, best first; for video frames as FOLDER/NAME/000012-id03.jpg."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def open(self, item: Item) -> Iterator[Take]:
        def take(found: Prediction) -> None:
            for number, pose in enumerate(found.poses, start=1):
                if pixels := crop(found.pixels, pose):
                    save_picture(pixels, self._path(item.stem, found.frame, pose.id, number))

        yield take

    def _path(self, stem: Path, frame: int | None, track: int | None, number: int) -> Path:
        if frame is None:
            return self._folder / stem.with_name(f"{stem.name}-{number:02d}.jpg")
        who = f"person{number:02d}" if track is None else f"id{track:02d}"
        return self._folder / stem / f"{frame:06d}-{who}.jpg"


def crop(pixels: np.ndarray, pose: Pose) -> Image.Image | None:
    """The part of an image (H, W, 3) uint8 RGB around a person's joints; None if all of them lie outside."""
    x1, y1, x2, y2 = pose.box.tolist()
    margin = _MARGIN * max(x2 - x1, y2 - y1)
    left, top = max(0, round(x1 - margin)), max(0, round(y1 - margin))
    inside = pixels[top : max(0, round(y2 + margin)), left : max(0, round(x2 + margin))]
    return Image.fromarray(np.ascontiguousarray(inside)) if inside.size else None


class ContactSheet(Sink):
    """Saves one sheet of all drawings with names; a video is shown by its frame with the most people.

    Args:
        path: path of the sheet. More than `_PAGE` inputs give several: sheet-1.jpg, sheet-2.jpg, …
        count: number of inputs.
    """

    def __init__(self, path: Path, count: int) -> None:
        self._path, self._pages = path, -(-count // _PAGE)
        self._tiles: list[Image.Image] = []
        self._written = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, KeyboardInterrupt | VoteposeError):
            self._save()

    @contextlib.contextmanager
    def open(self, item: Item) -> Iterator[Take]:
        best: tuple[int, Image.Image] | None = None

        def take(found: Prediction) -> None:
            nonlocal best
            if best is None or len(found.poses) > best[0]:
                best = len(found.poses), tile([found.drawing])

        try:
            yield take
        finally:
            if best:
                self._add(best[1], item)

    def skip(self, item: Item) -> None:
        """Show the earlier run's drawing, or else the image itself; videos without a drawing are left out."""
        for path in (item.target, item.source.path):
            with contextlib.suppress(VoteposeError):
                return self._add(tile([Image.fromarray(read_image(path))]), item)

    def _add(self, picture: Image.Image, item: Item) -> None:
        self._tiles.append(captioned(picture, item.source.path.name))
        if len(self._tiles) == _PAGE:
            self._save()

    def _save(self) -> None:
        if self._tiles:
            self._written += 1
            number = f"-{self._written:0{len(str(self._pages))}d}" if self._pages > 1 else ""
            save_picture(contact_sheet(self._tiles), self._path.with_stem(self._path.stem + number))
            self._tiles = []
