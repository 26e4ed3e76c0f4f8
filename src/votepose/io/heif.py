"""HEIC and HEIF images, as iPhones write, by pi-heif (the [heic] extra): libheif with a decoder and no encoder."""

from __future__ import annotations

import importlib
from typing import IO

from PIL import Image

from votepose.errors import VoteposeError, installing

INSTALL = f"is a HEIC image, which needs pi-heif: {installing('heic')}, or convert it to JPEG"


def open_heif(file: str | IO[bytes], name: str) -> Image.Image:
    """A HEIC image as `PIL.Image.open` opens others. Pillow itself is left as it is: no plugin is registered.

    Its pixels are turned as the file says when they are loaded; EXIF's orientation, which HEIC only repeats, is reset.

    Args:
        file: a path or a binary file.
        name: of it, for the message.

    Raises:
        VoteposeError: if pi-heif is not installed.
        SyntaxError: if the file is broken.
    """
    try:
        library = importlib.import_module("pi_heif")
    except ModuleNotFoundError:
        raise VoteposeError(f"{name}: {INSTALL}") from None
    image: Image.Image = library.HeifImageFile(file)
    return image
