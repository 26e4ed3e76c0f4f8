"""Reads and decodes the image in a request. Limits on bytes hold during the upload, those on pixels before decoding."""

from __future__ import annotations

import asyncio
import io
import re
import sys
import threading
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from votepose.errors import VoteposeError
from votepose.io.heif import needs_pi_heif
from votepose.io.images import open_image, read_image
from votepose.io.media import medium_of_bytes
from votepose.server.errors import RequestError, printable
from votepose.server.limits import MIB, Limits
from votepose.server.strictness import how_to_send, stray_field

# Only photo formats are parsed: no EPS (which runs Ghostscript), PSD, FITS, ...
Image.init()
FORMATS = tuple(name for name in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF") if name in Image.OPEN)
_ENVELOPE = 64 * 1024  # bytes of a multipart body's boundaries, headers and other fields
_DRAIN_SECONDS = 2.0


@dataclass(frozen=True)
class File:
    """An uploaded file: its bytes, and the client's file name."""

    data: bytes
    name: str | None


class _InMemory(MultiPartParser):
    spool_max_size = sys.maxsize  # never write uploads to disk


class _Upload(io.BytesIO):
    """A file in memory that stops the decoder once the result is no longer needed."""

    def __init__(self, data: bytes, stop: threading.Event) -> None:
        super().__init__(data)
        self._stop = stop

    def read(self, size: int | None = -1, /) -> bytes:
        if self._stop.is_set():
            raise TimeoutError("the client has disconnected")
        return super().read(size)


async def receive(request: Request, limits: Limits) -> File:
    """Read the file in a request, from a multipart form or the whole body.

    Raises:
        RequestError: 400 if there is no file, 408 if it arrives too slowly, 413 if it is too large, 422 if a form holds
            more than the file.
        starlette.requests.ClientDisconnect: if the client disconnects.
    """
    (file,) = await _files(request, limits, 1)
    if not file.data:
        raise RequestError(400, "the image is empty; send an image file as the body or in a form's field named file")
    return file


async def receive_batch(request: Request, limits: Limits) -> list[File]:
    """Read the files in a multipart form, at least one; the limit of bytes applies to all of them together.

    Raises:
        RequestError: as for `receive`, and 413 if there are too many files, 415 if the body is not a form.
        starlette.requests.ClientDisconnect: if the client disconnects.
    """
    if not _is_form(request):
        raise RequestError(415, "a batch is a multipart form with one file per image; send a single image to /v1/poses")
    return await _files(request, limits, limits.max_batch)


async def _files(request: Request, limits: Limits, most: int) -> list[File]:
    """One file to `most`."""
    too_large = _too_large(limits, most > 1)
    room = limits.max_bytes + (_ENVELOPE if _is_form(request) else 0)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > room:
        raise too_large
    try:
        async with asyncio.timeout(limits.timeout):
            stream = _capped(request, room, too_large)
            if _is_form(request):
                files = await _from_form(request, stream, most)
            else:
                files = [File(b"".join([chunk async for chunk in stream]), None)]
    except TimeoutError:
        raise RequestError(408, f"the upload took longer than {limits.timeout:g} s") from None
    if sum(len(file.data) for file in files) > limits.max_bytes:
        raise too_large
    return files


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").lower().startswith("multipart/")


async def drain(request: Request, limits: Limits) -> None:
    """Read and discard the rest of the upload for a moment, since many clients read the response only after sending."""
    if request.headers.get("expect"):  # the client waits for "100 Continue" before sending
        return
    seen, until = 0, time.monotonic() + _DRAIN_SECONDS
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for chunk in request.stream():
                seen += len(chunk)
                if seen > 4 * limits.max_bytes or time.monotonic() > until:
                    return
    except Exception:  # disconnected, too slow, or already read: respond anyway
        return


def decode(data: bytes, limits: Limits, stop: threading.Event) -> np.ndarray:
    """Decode an image to (height, width, 3) uint8 RGB, with its EXIF orientation applied.

    Args:
        stop: set to stop decoding.

    Raises:
        RequestError: 413 if it has too many pixels, 415 if its format is unknown or needs pi-heif, 422 if it is broken.
    """
    try:
        image = open_image(_Upload(data, stop), "the image", FORMATS)
    except UnidentifiedImageError:
        raise RequestError(415, _unknown(data)) from None
    except VoteposeError:
        raise RequestError(415, f"this {needs_pi_heif(' on the server')}") from None
    except Exception as error:  # Pillow's parsers raise all kinds of exceptions on broken files
        raise RequestError(422, "the image is broken or truncated") from error
    with image:
        if image.width * image.height > limits.max_pixels:
            has, limit = f"{image.width}x{image.height} pixels", f"{limits.max_pixels / 1e6:.3g} megapixels"
            raise RequestError(413, f"the image has {has}, over the limit of {limit}; send a smaller one")
        try:
            return read_image(image)
        except VoteposeError as error:
            raise RequestError(422, "the image is broken or truncated") from error


def safe_name(name: str | None) -> str | None:
    """A client's file name as a label: without folders and control characters, at most 255 characters long."""
    last = re.split(r"[/\\]", name or "")[-1]
    return printable(last, 255) or None


async def _capped(request: Request, most: int, too_large: RequestError) -> AsyncGenerator[bytes, None]:
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > most:
            raise too_large
        yield chunk


async def _from_form(request: Request, stream: AsyncGenerator[bytes, None], most: int) -> list[File]:
    try:
        form = await _InMemory(request.headers, stream, max_files=most, max_fields=8).parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            if most == 1:
                raise RequestError(400, "the form holds several files; /v1/batch takes them") from None
            raise RequestError(413, f"the form holds more than {most} images; send fewer at a time") from None
        raise RequestError(400, f"the form cannot be read: {error.message}") from error
    except (ValueError, LookupError, TypeError) as error:  # invalid boundaries and charsets
        raise RequestError(400, "the form cannot be read") from error
    try:
        parts = form.multi_items()
        files = [File(await part.read(), part.filename) for _, part in parts if not isinstance(part, str)]
        strays = [name for name, part in parts if isinstance(part, str)]
    finally:
        await form.close()
    if not files:
        raise RequestError(400, "the form holds no file; send the image in a field named file, with a file name")
    if strays:
        raise stray_field(strays[0])
    return files


def _unknown(data: bytes) -> str:
    """Describe bytes that are not an image of a known format."""
    known = ", ".join(FORMATS)
    if medium_of_bytes(data[:256]) == "video":
        return f"this is a video, not an image of a known format: {known}; send a frame of it"
    return how_to_send(data) or f"this is not an image of a known format: {known}"


def _too_large(limits: Limits, several: bool) -> RequestError:
    what = "the images together are" if several else "the image is"
    ask = "fewer at a time" if several else "a smaller one"
    return RequestError(413, f"{what} over the limit of {limits.max_bytes / MIB:.3g} MiB; send {ask}")
