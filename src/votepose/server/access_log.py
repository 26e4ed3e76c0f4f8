"""The access log: one JSON object per request and line."""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from votepose.errors import VoteposeError, one_line

_LONGEST = 2000  # maximum length of a path, in characters
_PROBES = ("/healthz", "/readyz")


def open_access_log(path: Path) -> logging.Logger:
    """A logger that appends to a file, which may be moved at any time, or to standard output (`-`).

    Raises:
        VoteposeError: if the file cannot be written.
    """
    try:
        to_stdout = str(path) == "-"
        handler = logging.StreamHandler(sys.stdout) if to_stdout else WatchedFileHandler(path, encoding="utf-8")
    except OSError as error:
        raise VoteposeError(f"{path}: the access log cannot be written ({one_line(error)})") from None
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.Logger("votepose.access")  # not registered, so it has no other handlers or levels
    logger.addHandler(handler)
    return logger


class AccessLog:
    """ASGI middleware that writes a line after each request, except for successful health probes.

    Args:
        app: the application to wrap. It may set the number of people as `request.state.people`.
        logger: writes the lines.
    """

    def __init__(self, app: ASGIApp, logger: logging.Logger) -> None:
        self.app, self.logger = app, logger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection; see the ASGI specification."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started, arrived = time.perf_counter(), datetime.now(UTC)
        status, received, sent = 0, 0, 0
        state = scope.setdefault("state", {})

        async def counted_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def counted_send(message: Message) -> None:
            nonlocal status, sent
            status = message.get("status", status)
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, counted_receive, counted_send)
        except Exception:
            status = status or 500
            raise
        finally:
            status = status or 499  # nginx's status for a client that disconnected
            if status != 200 or scope["path"] not in _PROBES:
                seconds = round(time.perf_counter() - started, 4)
                client = (scope.get("client") or ("",))[0]
                entry = {"time": arrived.isoformat(timespec="milliseconds"), "client": client}
                entry |= {"method": scope["method"], "path": scope["path"][:_LONGEST], "status": status}
                entry |= {"seconds": seconds, "received": received, "sent": sent, "people": state.get("people")}
                self.logger.info(json.dumps(entry))
