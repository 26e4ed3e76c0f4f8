"""The access log: one JSON object per request and line."""

from __future__ import annotations

import json
import logging
import sys
from logging.handlers import WatchedFileHandler
from pathlib import Path

from votepose.errors import VoteposeError, one_line
from votepose.server.exchange import Exchange

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


def log_exchange(logger: logging.Logger, exchange: Exchange) -> None:
    """Write a line about a request, unless it is a successful health probe."""
    scope = exchange.scope
    if exchange.status == 200 and scope["path"] in _PROBES:
        return
    entry = {
        "time": exchange.arrived.isoformat(timespec="milliseconds"),
        "client": (scope.get("client") or ("",))[0],
        "method": scope["method"],
        "path": scope["path"][:_LONGEST],
        "status": exchange.status,
        "seconds": round(exchange.seconds, 4),
        "received": exchange.received,
        "sent": exchange.sent,
        "people": scope.get("state", {}).get("people"),
    }
    logger.info(json.dumps(entry))
