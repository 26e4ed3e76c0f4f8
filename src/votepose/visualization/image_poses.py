"""Poses that hold the image they were found in, so that they can draw themselves."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from PIL import Image

from votepose.errors import VoteposeError
from votepose.io.download import is_url
from votepose.io.files import DRAWING_SUFFIXES, save_picture
from votepose.io.sources import ImageSource
from votepose.poses import Poses
from votepose.visualization.draw import Style, draw

_SHOWN = 1024  # longest side in a notebook, in pixels


@dataclass(frozen=True, eq=False, repr=False)
class ImagePoses(Poses):
    """`Poses` with their image, as a `Predictor` returns them. Notebooks display the drawing.

    Attributes:
        image: a path, the bytes of a file, or an array (H, W, 3) uint8 RGB; None if it was not kept, as for the arrays
            given to `Predictor.batch` and `Predictor.stream`. `dataclasses.replace(poses, image=None)` releases it.
    """

    image: ImageSource | None = None

    @classmethod
    def of(cls, poses: Poses, source: str | None, image: ImageSource | None) -> ImagePoses:
        """The same people, in `image`."""
        known = {field.name: getattr(poses, field.name) for field in fields(Poses)}
        return cls(**known | {"source": source, "image": image})

    def draw(self, style: Style | None = None) -> Image.Image:
        """An RGB copy of the image with the poses drawn on it, see `votepose.draw`.

        Raises:
            VoteposeError: if the image was not kept or can no longer be read.
        """
        if self.image is None:
            raise VoteposeError("these poses do not hold their image: use votepose.draw(image, poses)")
        return draw(self.image, self, style)

    def save(self, path: os.PathLike[str] | str, style: Style | None = None) -> None:
        """Save the drawing as .jpg, .png or .webp, atomically. Creates the folder.

        Raises:
            VoteposeError: as for `draw`, or if the suffix is not one of these or `path` is the image itself.
            OSError: if it cannot be written.
        """
        target = Path(path)
        if target.suffix.lower() not in DRAWING_SUFFIXES:
            formats = ", ".join(DRAWING_SUFFIXES)
            raise VoteposeError(f"{target}: drawings can be saved as {formats}; for JSON use to_json")
        if self.source and target.exists() and os.path.exists(self.source) and target.samefile(self.source):
            raise VoteposeError(f"{target}: is the image itself; save the drawing under another name")
        save_picture(self.draw(style), target)

    def _repr_jpeg_(self) -> bytes | None:
        """The drawing, for notebooks; None if there is no image, so that they show the text instead."""
        try:
            picture = self.draw()
        except VoteposeError:
            return None
        picture.thumbnail((_SHOWN, _SHOWN))
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=90)
        return file.getvalue()


def to_hold(given: ImageSource, pixels: np.ndarray | None) -> ImageSource | None:
    """What poses keep of an image: a path or file bytes, which are small, unchanged; otherwise the `pixels`."""
    small = isinstance(given, bytes | os.PathLike) or (isinstance(given, str) and not is_url(given))
    return given if small else pixels
