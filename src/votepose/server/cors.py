"""Refuses pages of other origins, unless the server was started with --cors."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from votepose.errors import VoteposeError
from votepose.server.errors import printable

_ORIGIN = re.compile(r"https?://[^/\s@?#]+")


def check_origins(origins: Sequence[str]) -> None:
    """Raise VoteposeError unless each item is an origin, or * for any origin."""
    for origin in origins:
        if origin not in ("*", "null") and not _ORIGIN.fullmatch(origin):
            raise VoteposeError(f"{origin}: is not an origin; use * or an origin such as https://app.example:8080")


class OtherOrigins(CORSMiddleware):
    """Allows pages of `origins` to use the server; preflight requests from other origins get a one-line refusal.

    Args:
        app: the application to wrap.
        origins: origins such as https://app.example; * for any.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        exposed = ("Server-Timing", "Retry-After")
        super().__init__(app, origins, ("GET", "POST"), ("*",), expose_headers=exposed)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer an OPTIONS request, which browsers send before some requests."""
        answer = super().preflight_response(request_headers)
        if answer.status_code == 200:
            return answer
        origin = printable(request_headers["origin"], 100)
        if self.is_allowed_origin(request_headers["origin"]):
            return JSONResponse({"detail": f"{bytes(answer.body).decode()}: only GET and POST"}, 403)
        detail = f"pages of {origin} may not use this server; start it with --cors {origin} to allow them"
        return JSONResponse({"detail": detail}, 403, {"Vary": "Origin"})
