"""What may be given as an image, and what it is called in messages and records."""

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
        """As NumPy's."""


ImageSource = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image | np.ndarray | Tensor


def known_source(source: Any) -> str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | np.ndarray:
    """An `ImageSource` as one of these types: a bytearray or memoryview as bytes, a tensor as an array.

    PyTorch's tensors may be on any device, and have their channels first or last; the array has them last.

    Raises:
        VoteposeError: if it is anything else, with what was given.
    """
    if isinstance(source, str | bytes | os.PathLike | Image.Image | np.ndarray):
        return source
    if isinstance(source, bytearray | memoryview):
        return bytes(source)
    kind = type(source).__name__
    if isinstance(source, io.TextIOBase):
        raise VoteposeError(f"{source_name(source) or kind}: was opened as text; open it as binary, with mode 'rb'")
    if hasattr(source, "__array__"):
        try:
            array = np.asarray(source.detach().cpu() if _is_torch(source) else source)
        except Exception as error:  # of another library's array on a GPU, or of a type that NumPy lacks
            raise VoteposeError(f"the {kind} is no array in this process's memory ({one_line(error)})") from None
        return _channels_last(array) if _is_torch(source) else array
    if callable(read := getattr(source, "read", None)):
        if inspect.iscoroutinefunction(read):
            raise VoteposeError(f"the {kind} is read asynchronously: pass its bytes, `await file.read()`")
        return source
    expected = "an image should be a path, a URL, bytes, a binary file, a PIL image or an array, but is"
    if source is None:
        raise VoteposeError(f"{expected} None: cv2.imread, for one, returns it for a file that it cannot read")
    if isinstance(source, Iterable):
        raise VoteposeError(f"{expected} a {kind}: pass several images to `batch` or `stream`")
    raise VoteposeError(f"{expected} of type {kind}: {repr(source)[:60]}")


def each_image(images: Iterable[ImageSource] | ImageSource) -> Iterable[ImageSource]:
    """The images of an iterable, or the one image given instead: a path is not taken for its letters.

    An array of (H, W) or of (H, W, 1 to 4) is one image, of (N, H, W) or (N, H, W, C) it is N. A PyTorch tensor of two
    or three axes is one image, of four it is N.

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
    """Whether it is a PyTorch tensor; without an import of torch."""
    return hasattr(source, "detach") and hasattr(source, "cpu")


def _channels_last(array: np.ndarray) -> np.ndarray:
    """A tensor's values (..., C, H, W) or (..., H, W, C) as (..., H, W, C); C is 1 to 4."""
    if array.ndim not in (3, 4) or not array.size or not 1 <= array.shape[-3] <= 4:
        return array
    if array.shape[-1] <= 4:
        raise VoteposeError(f"the tensor of {array.shape} may have its channels first or last: pass a NumPy array")
    return np.moveaxis(array, -3, -1)


def source_name(source: Any) -> str | None:
    """The path or URL of an image, or of the file behind it; None if it has none."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    name = getattr(source, "filename", None) or getattr(source, "name", None)
    return name if isinstance(name, str) and name else None
