"""Reads any image as RGB. `io.inputs` decides which images a run processes."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import threading
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from votepose.errors import VoteposeError, one_line
from votepose.io.arrays import rgb_from_array
from votepose.io.download import fetch, is_url
from votepose.io.heif import open_heif
from votepose.io.media import first_bytes, is_heif, medium_of_bytes
from votepose.io.sources import ImageSource, known_source, source_name

MAX_PIXELS = 2**28  # 0.8 GB as RGB: enough for a panorama of 20000 x 13000, but stops decompression bombs
_WHITE = (255, 255, 255)
_ON_ITS_SIDE = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_opening = threading.Lock()


def read_image(source: ImageSource, bgr: bool = False) -> np.ndarray:
    """Read an image as (height, width, 3) uint8 RGB, with its EXIF orientation applied, as viewers show it.

    Args:
        source: a path, an http(s) URL, the bytes of a file, a binary file, a PIL image, an array (see
            `rgb_from_array`), or a tensor, which may have its channels first. Transparency is composited on white;
            16-bit values are scaled to 8 bits; only the first of several frames is read.
        bgr: whether the channels of an array or tensor are in OpenCV's order, blue first.

    Raises:
        VoteposeError: if it cannot be read; the message names the file, or the type that was given.
    """
    source = known_source(source)
    if isinstance(source, np.ndarray):
        return rgb_from_array(source, bgr)
    if bgr:
        raise VoteposeError("bgr=True is only for arrays and tensors; files define their own colour order")
    name = source_name(source)
    if name is None:
        name = f"the image given as {type(source).__name__}"
    name = (name if len(name) < 500 else f"{name[:60]}…") or "''"
    try:
        if isinstance(source, Image.Image):
            return _to_rgb(source)
        if isinstance(source, str) and is_url(source):
            source = fetch(source)
        with _open(io.BytesIO(source) if isinstance(source, bytes) else source, name) as image:
            image.load()
            return _to_rgb(image)
    except VoteposeError:
        raise
    except Exception as error:  # Pillow's decoders raise all kinds of exceptions on broken files
        raise VoteposeError(f"{name}: {_reason(error, source)}") from error


def image_size(file: Path | BinaryIO, name: str = "") -> tuple[int, int]:
    """Width and height in pixels of the array that `read_image` returns for a file, read from its header.

    Args:
        file: a path, or an open file.
        name: its name in messages; by default the path.

    Raises:
        VoteposeError: if it is not an image; the message names the file.
    """
    name = name or str(file)
    try:
        with _open(file, name) as image:
            width, height = image.size
            with contextlib.suppress(Exception):  # as below
                if image.getexif().get(ExifTags.Base.Orientation) in _ON_ITS_SIDE:
                    return height, width
            return width, height
    except VoteposeError:
        raise
    except Exception as error:
        raise VoteposeError(f"{name}: {_reason(error, file)}") from error


def open_image(file: Any, name: str, formats: tuple[str, ...] | None = None) -> Image.Image:
    """Open an image as `PIL.Image.open` does, HEIC too, with any number of pixels; none is decoded yet.

    Args:
        file: a path or a binary file.
        name: name of the file, for messages.
        formats: formats besides HEIC; None for all that Pillow reads.

    Raises:
        VoteposeError: if it is a HEIC image and pi-heif is not installed.
        Exception: if it is broken or not an image, as in Pillow.
    """
    # Pillow's own limit is a global and too low for panoramas; it is lifted while the header is read.
    with _opening:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=formats)
        except UnidentifiedImageError:
            if not is_heif(_start(file)):
                raise
            return open_heif(file, name)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _open(file: Any, name: str) -> Image.Image:
    image = open_image(file, name)
    if image.width * image.height > MAX_PIXELS:
        image.close()
        size = f"{image.width}x{image.height} pixels"
        raise VoteposeError(f"{name}: has {size}, over the limit of {MAX_PIXELS // 10**6} megapixels; make it smaller")
    return image


def _start(file: Any) -> bytes:
    """The first bytes of a path or binary file, which is left at its beginning."""
    if isinstance(file, str | os.PathLike):
        return first_bytes(file)
    file.seek(0)
    start = bytes(file.read(256))
    file.seek(0)
    return start


def _to_rgb(image: Image.Image) -> np.ndarray:
    with contextlib.suppress(Exception):  # viewers ignore a damaged EXIF block too
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):  # I;16, I;16B, I, F: more than 8 bits
        return rgb_from_array(_to_unsigned(np.asarray(image)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        canvas = Image.new("RGB", image.size, _WHITE)
        canvas.paste(image, mask=image.getchannel("A"))
        image = canvas
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _to_unsigned(values: np.ndarray) -> np.ndarray:
    """Values of a mode with more than 8 bits as uint16, or as uint8 if 32-bit integers hold no larger ones."""
    if values.dtype.kind == "i" and values.min() >= 0 and values.max() < 2**16:
        return values.astype(np.uint8 if values.max() < 2**8 else np.uint16)
    if values.dtype.kind == "u":
        return values.astype(np.uint16)
    # The white level is unknown: use the range of the file's values.
    finite = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
    low, high = finite.min(), finite.max()
    return ((finite - low) * (65535 / max(high - low, 1e-12))).astype(np.uint16)


def _reason(error: Exception, source: ImageSource) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "is a folder, not an image"
    if isinstance(error, PermissionError):
        return "cannot be read (permission denied)"
    if getattr(error, "errno", None) == errno.ENAMETOOLONG or "null byte" in str(error):
        return "is not a path; pass an encoded image as bytes"
    if isinstance(error, UnidentifiedImageError):
        return _unidentified(source)
    return f"is a broken or truncated image ({one_line(error, 120)})"


def _unidentified(source: Any) -> str:
    """Describe a file that Pillow cannot identify."""
    start = source[:256] if isinstance(source, bytes) else b""
    if isinstance(source, str | os.PathLike):
        start = first_bytes(source)
    if source == b"" or (isinstance(source, str | os.PathLike) and os.path.getsize(source) == 0):
        return "is empty (0 bytes)"
    if medium_of_bytes(start) == "video":
        return "is a video, not an image; `votepose predict video:FILE` reads it"
    return "is not an image of a known format"
