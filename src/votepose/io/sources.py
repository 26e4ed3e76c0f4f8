"""The types accepted as an image, and an image's name in messages and records."""

from __future__ import annotations

import inspect
import io
import os
from collections.abc import Iterable
from typing import IO, Any, Protocol

import numpy as np
from PIL import Image

from votepose.errors import VoteposeError, one_line


class Tensor(Protocol):
    """An array of another library, such as PyTorch's."""

    def __array__(self) -> np.ndarray:
        """A NumPy array of the same values."""


ImageSource = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image | np.ndarray | Tensor


def known_source(source: Any) -> str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | np.ndarray:
    """Convert an `ImageSource` to one of these types: a bytearray or memoryview to bytes, a tensor to an array.

    PyTorch tensors may be on any device, with channels first or last; the array has channels last.

    Raises:
        VoteposeError: if it is of any other type, which the message names.
    """
    if isinstance(source, str | bytes | os.PathLike | Image.Image | np.ndarray):
        return source
    if isinstance(source, bytearray | memoryview):
        return bytes(source)
    kind = type(source).__name__
    if isinstance(source, io.TextIOBase):
        raise VoteposeError(f"{source_name(source) or kind}: was opened as text; open it in binary mode, 'rb'")
    if hasattr(source, "__array__"):
        try:
            array = np.asarray(source.detach().cpu() if _is_torch(source) else source)
        except Exception as error:  # another library's array on a GPU, or of a type that NumPy lacks
            raise VoteposeError(f"the {kind} cannot be converted to a NumPy array ({one_line(error)})") from None
        return _channels_last(array) if _is_torch(source) else array
    if callable(read := getattr(source, "read", None)):
        if inspect.iscoroutinefunction(read):
            raise VoteposeError(f"the {kind} is read asynchronously: pass its bytes, `await file.read()`")
        return source
    expected = "an image should be a path, a URL, bytes, a binary file, a PIL image or an array, but is"
    if source is None:
        raise VoteposeError(f"{expected} None, which cv2.imread returns for a file that it cannot read")
    if isinstance(source, Iterable):
        raise VoteposeError(f"{expected} a {kind}: pass several images to `batch` or `stream`")
    raise VoteposeError(f"{expected} of type {kind}: {repr(source)[:60]}")


def each_image(images: Iterable[ImageSource] | ImageSource) -> Iterable[ImageSource]:
    """The images of an iterable, or a single image as a list of one; a path is not iterated letter by letter.

    An array (H, W) or (H, W, 1 to 4) is one image; (N, H, W) and (N, H, W, C) are N images. A PyTorch tensor with two
    or three axes is one image, with four axes N images.

    Raises:
        VoteposeError: if it is neither.
    """
    array = hasattr(images, "__array__") and not isinstance(images, Image.Image)
    several = isinstance(images, Iterable) and not isinstance(images, str | bytes | bytearray | memoryview | io.IOBase)
    if array or not several or hasattr(images, "read"):
        one: Any = known_source(images)
        if not isinstance(one, np.ndarray) or one.ndim < 3:
            return [one]
        if one.ndim == 3 and (one.shape[2] <= 4 or _is_torch(images)):
            return [one]
        return list(one)
    return images  # type: ignore[return-value]


def _is_torch(source: Any) -> bool:
    """Whether it is a PyTorch tensor, found without importing torch."""
    return hasattr(source, "detach") and hasattr(source, "cpu")


def _channels_last(array: np.ndarray) -> np.ndarray:
    """A tensor (..., C, H, W) or (..., H, W, C), C from 1 to 4, as an array (..., H, W, C)."""
    if array.ndim not in (3, 4) or not array.size or not 1 <= array.shape[-3] <= 4:
        return array
    if array.shape[-1] <= 4:
        raise VoteposeError(f"the tensor {array.shape} could have its channels first or last: pass a NumPy array")
    return np.moveaxis(array, -3, -1)


def source_name(source: Any) -> str | None:
    """The path or URL of an image, or of the file object; None if it has none."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    name = getattr(source, "filename", None) or getattr(source, "name", None)
    return name if isinstance(name, str) and name else None
