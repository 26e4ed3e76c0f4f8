"""Reads API keys, and checks the key of a request."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Sequence
from pathlib import Path

from fastapi import Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from votepose.errors import VoteposeError, one_line
from votepose.server.errors import RequestError
from votepose.server.limits import Limits
from votepose.server.upload import drain

VARIABLE = "VOTEPOSE_API_KEY"
_KEY = re.compile(r"[!-~]{8,}")  # characters allowed in a header
_HEADER = Security(APIKeyHeader(name="X-API-Key", auto_error=False))
_BEARER = Security(HTTPBearer(auto_error=False))


def read_keys(path: Path | None) -> tuple[str, ...]:
    """The keys in a file, one per line; without a file, the one in VOTEPOSE_API_KEY, if any.

    Raises:
        VoteposeError: if the file cannot be read or holds no key, or a key is unusable.
    """
    if path is None:
        source, text = VARIABLE, os.environ.get(VARIABLE, "")
        if not text:
            return ()
    else:
        source = str(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise VoteposeError(f"{path}: the API keys cannot be read ({one_line(error)})") from None
    keys = tuple(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    if not keys:
        raise VoteposeError(f"{source}: holds no API key; write one per line")
    for number, key in enumerate(keys, start=1):
        if not _KEY.fullmatch(key):  # never print the key itself
            raise VoteposeError(
                f"{source}: key {number} should be at least 8 printable ASCII characters, without spaces"
            )
    return keys


class KeyCheck:
    """A route dependency that refuses requests without a valid key.

    Args:
        keys: the valid keys. limits: limits for draining a refused upload.
    """

    def __init__(self, keys: Sequence[str], limits: Limits) -> None:
        self._digests = [_digest(key) for key in keys]
        self._limits = limits

    async def __call__(
        self, request: Request, key: str | None = _HEADER, bearer: HTTPAuthorizationCredentials | None = _BEARER
    ) -> None:
        """Raise RequestError, 401, unless the request has a valid key."""
        given = key if key is not None else bearer.credentials if bearer else None
        # Compare all digests, each in constant time, so that the time reveals nothing about the keys.
        if given is not None and sum(hmac.compare_digest(_digest(given), digest) for digest in self._digests):
            return
        await drain(request, self._limits)
        wrong = "this server needs an API key" if given is None else "the API key is not valid"
        detail = f"{wrong}; send it in the header X-API-Key, or as Authorization: Bearer"
        raise RequestError(401, detail, {"WWW-Authenticate": "Bearer"})


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
