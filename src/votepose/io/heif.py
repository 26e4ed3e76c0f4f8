"""Opens HEIC and HEIF images, the format of iPhones, with pi-heif (the [heic] extra), a decoder from libheif."""

from __future__ import annotations

import importlib
from typing import IO

from PIL import Image

from votepose.errors import VoteposeError, installing


def needs_pi_heif(where: str = "") -> str:
    """The predicate of a message about a HEIC image if pi-heif is not installed; `where` could be " on the server"."""
    return f"is a HEIC image, which needs pi-heif{where}: {installing('heic')}, or convert it to JPEG"


def open_heif(file: str | IO[bytes], name: str) -> Image.Image:
    """Open a HEIC image, as `PIL.Image.open` does for other formats, without registering a plugin in Pillow.

    The pixels are rotated as the file specifies on loading, and EXIF's orientation, which only repeats this, is reset.

    Args:
        file: a path or a binary file.
        name: name of the file, for messages.

    Raises:
        VoteposeError: if pi-heif is not installed.
        SyntaxError: if the file is broken.
    """
    try:
        library = importlib.import_module("pi_heif")
    except ModuleNotFoundError:
        raise VoteposeError(f"{name}: {needs_pi_heif()}") from None
    image: Image.Image = library.HeifImageFile(file)
    return image
