"""A real server on a real port, in a thread of the test; and a model that can be held up."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from PIL import Image


class HeldSession:
    """A model session whose runs wait while `go` is cleared, and are counted."""

    def __init__(self, session: Any) -> None:
        self._session, self.go, self.runs = session, threading.Event(), 0
        self.go.set()

    def run(self, outputs: Any, feeds: Any) -> Any:
        """As onnxruntime's, later."""
        self.runs += 1
        assert self.go.wait(20)
        return self._session.run(outputs, feeds)


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The URL of a server of `app`, for the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        try:
            until(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)


def until(true: Callable[[], bool], seconds: float = 15) -> None:
    """Wait for it, or fail."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def encode(pixels: np.ndarray, form: str = "png", **options: object) -> bytes:
    """An array as an image file's bytes; `options` go to Pillow."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format=form, **options)
    return file.getvalue()
