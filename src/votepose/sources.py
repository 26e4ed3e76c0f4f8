"""Where images come from: files, folders and globs, and whatever a user may hand to `read_image`."""

from __future__ import annotations

import contextlib
import glob
import io
import os
import re
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from votepose.errors import VoteposeError

ImageSource = str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | np.ndarray

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".jp2", ".ppm", ".pgm", ".pnm"}
)
MAX_PIXELS = 2**28  # 0.8 GB as RGB: room for a panorama of 20000 x 13000, none for a decompression bomb
_WHITE = (255, 255, 255)
_opening = threading.Lock()


def find_images(inputs: Sequence[str], recursive: bool = False, exclude: Path | None = None) -> list[Path]:
    """The images that `inputs` name, in their order, each once; within a folder or glob in natural order (2 before 10).

    Args:
        inputs: files (taken whatever their suffix), folders (their images by suffix, hidden ones left out), and globs,
            which mean what the shell would make of them, `**` included.
        recursive: look into the folders of a folder, too.
        exclude: a folder to leave out of the folders that hold it (where an earlier run put its drawings).

    Raises:
        VoteposeError: if an input names nothing, or there is no image at all.
    """
    paths = [path for text in inputs for path in _expand(text, recursive, exclude)]
    found: dict[str, Path] = {}
    for path in paths:
        found.setdefault(os.path.abspath(path), path)
    if not found:
        what = f"no images in {', '.join(inputs)}" if inputs else "no images given"
        raise VoteposeError(f"{what}: name image files, folders or globs")
    return list(found.values())


def relative_names(paths: Sequence[Path]) -> list[Path]:
    """The paths as seen from the deepest folder that holds them all: as unique as the paths are."""
    absolute = [os.path.abspath(path) for path in paths]
    try:
        folder = os.path.commonpath([os.path.dirname(path) for path in absolute])
    except ValueError:  # on different drives
        return [Path(*Path(path).parts[1:]) for path in absolute]
    return [Path(os.path.relpath(path, folder)) for path in absolute]


def read_image(source: ImageSource) -> np.ndarray:
    """Any image as (height, width, 3) uint8 RGB, turned as its EXIF orientation says, as viewers show it.

    Args:
        source: a path, the bytes of a file, a binary file, a PIL image, or an array of uint8 or uint16 of (H, W),
            (H, W, 1), (H, W, 2) grey and alpha, (H, W, 3) RGB or (H, W, 4) RGBA. Transparency is laid on white; 16-bit
            values are scaled to 8 bits; of several frames the first counts.

    Raises:
        VoteposeError: if it cannot be read, in one line that names the file.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    name = source_name(source) or f"the image given as {type(source).__name__}"
    try:
        if isinstance(source, Image.Image):
            return _to_rgb(source)
        with _open(io.BytesIO(source) if isinstance(source, bytes) else source, name) as image:
            image.load()
            return _to_rgb(image)
    except VoteposeError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on a broken file
        raise VoteposeError(f"{name}: {_reason(error, source)}") from error


def source_name(source: ImageSource) -> str | None:
    """The path of an image, or of the file behind it; None if it has none."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    name = getattr(source, "filename", None) or getattr(source, "name", None)
    return name if isinstance(name, str) and name else None


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key by which img2 comes before img10."""
    pieces = re.split(r"([0-9]+)", str(path).casefold())
    return [(0, int(piece), "") if k % 2 else (1, 0, piece) for k, piece in enumerate(pieces)]


def _expand(text: str, recursive: bool, exclude: Path | None) -> Iterable[Path]:
    path = Path(text)
    if not text:
        raise VoteposeError("an input is empty: name an image file, a folder or a glob")
    if path.is_dir():
        return sorted(_walk(path, recursive, exclude), key=natural_key)
    if path.is_file():
        return [path]
    if path.exists():
        raise VoteposeError(f"{text}: is neither a file nor a folder")
    if not glob.has_magic(text):
        raise VoteposeError(f"{text}: no such file or folder")
    matches = sorted(map(Path, glob.glob(text, recursive=True)), key=natural_key)
    if not matches:
        raise VoteposeError(f"{text}: the glob matches nothing")
    return [image for match in matches for image in _expand(str(match), recursive, exclude)]


def _walk(folder: Path, recursive: bool, exclude: Path | None) -> Iterable[Path]:
    inner = exclude.resolve() if exclude and folder.resolve() in exclude.resolve().parents else None
    for path in folder.rglob("*") if recursive else folder.glob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file() and inner not in path.resolve().parents:
            yield path


def _open(file: Any, name: str) -> Image.Image:
    # Pillow's own limit is a global and too low for a panorama: it is lifted for as long as the header is read.
    with _opening:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(file)
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    if image.width * image.height > MAX_PIXELS:
        image.close()
        size = f"{image.width}x{image.height} pixels"
        raise VoteposeError(f"{name}: has {size}, over the limit of {MAX_PIXELS // 10**6} megapixels; make it smaller")
    return image


def _to_rgb(image: Image.Image) -> np.ndarray:
    with contextlib.suppress(Exception):  # a damaged EXIF block turns nothing in a viewer either
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):  # I;16, I;16B, I, F: numbers beyond 8 bits
        return _from_array(_to_uint16(np.asarray(image)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        canvas = Image.new("RGB", image.size, _WHITE)
        canvas.paste(image, mask=image.getchannel("A"))
        image = canvas
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _to_uint16(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "u" or (values.dtype.kind == "i" and values.min() >= 0 and values.max() < 2**16):
        return values.astype(np.uint16)
    finite = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)  # no known white: the file's own range counts
    low, high = finite.min(), finite.max()
    return ((finite - low) * (65535 / max(high - low, 1e-12))).astype(np.uint16)


def _from_array(array: np.ndarray) -> np.ndarray:
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.dtype not in (np.uint8, np.uint16) or array.ndim not in (2, 3) or not 1 <= channels <= 4 or not array.size:
        expected = "uint8 or uint16 of (H, W), (H, W, 3) or (H, W, 4)"
        raise VoteposeError(f"an image array should be {expected}, but is {array.dtype} of {array.shape}")
    if array.dtype == np.uint16:
        array = ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    array = array[..., None] if array.ndim == 2 else array
    if channels in (2, 4):
        alpha = array[..., -1:].astype(np.uint16)
        array = ((array[..., :-1] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


def _reason(error: Exception, source: ImageSource) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "is a folder, not an image"
    if isinstance(error, PermissionError):
        return "may not be read (permission denied)"
    if isinstance(error, UnidentifiedImageError):
        empty = source == b"" or (isinstance(source, str | os.PathLike) and os.path.getsize(source) == 0)
        return "is empty (0 bytes)" if empty else "is not an image of a known format"
    detail = " ".join(str(error).split()) or type(error).__name__
    return f"is a broken or truncated image ({detail[:120]})"
