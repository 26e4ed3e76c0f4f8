"""The limits of the server."""

from __future__ import annotations

from dataclasses import dataclass

from votepose.errors import VoteposeError
from votepose.io.images import MAX_PIXELS
from votepose.letterbox import MULTIPLE

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Limits on requests.

    Attributes:
        max_bytes: maximum size of an image file, or of all files of a batch together.
        max_batch: maximum number of images in a batch.
        max_pixels: maximum width x height of an image; larger ones are refused before decoding.
        max_input_size: largest input size that a request may set, in pixels; a multiple of 32.
        workers: images processed at the same time, each in its own thread.
        queue: requests that may wait for a worker; further ones are refused with 503.
        timeout: time limit in seconds, for the upload and again for the result.

    Raises:
        VoteposeError: if a value is out of range.
    """

    max_bytes: int = 16 * MIB
    max_batch: int = 32
    max_pixels: int = 50_000_000
    max_input_size: int = 1024
    workers: int = 2
    queue: int = 32
    timeout: float = 30.0

    def __post_init__(self) -> None:
        for name, least in (("max_bytes", 1), ("max_batch", 1), ("max_pixels", 1), ("workers", 1), ("queue", 0)):
            value = getattr(self, name)
            if value < least:
                raise VoteposeError(f"{_option(name)} should be at least {least}, but is {value}")
        if self.max_pixels > MAX_PIXELS:
            raise VoteposeError(f"{_option('max_pixels')} should be at most {MAX_PIXELS}, but is {self.max_pixels}")
        if self.max_input_size < MULTIPLE or self.max_input_size % MULTIPLE:
            message = f"should be a positive multiple of {MULTIPLE}, but is {self.max_input_size}"
            raise VoteposeError(f"{_option('max_input_size')} {message}")
        if not 0 < self.timeout < float("inf"):
            raise VoteposeError(f"--timeout should be a positive number of seconds, but is {self.timeout:g}")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
