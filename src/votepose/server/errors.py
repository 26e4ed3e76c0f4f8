"""Request errors, answered with one line and never a traceback."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class RequestError(Exception):
    """A request that fails: status, reason and headers of the response.

    Args:
        status: HTTP status, 4xx or 5xx.
        detail: one line for the user.
        headers: headers of the response, such as Retry-After.
    """

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}


def printable(text: str, most: int) -> str:
    """The start of a client's text, without control characters."""
    return "".join(c for c in text if c.isprintable())[:most]


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error with one line, `{"detail": "..."}`, never with a traceback."""

    @app.exception_handler(RequestError)
    async def request_error(_: Request, error: RequestError) -> Response:
        return JSONResponse({"detail": error.detail}, error.status, error.headers)

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> Response:
        return JSONResponse({"detail": str(error.detail)}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return JSONResponse({"detail": "; ".join(map(_reason, error.errors()))}, 422)

    @app.exception_handler(ClientDisconnect)
    async def disconnected(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=499)

    @app.exception_handler(Exception)
    async def unexpected(_: Request, __: Exception) -> Response:
        return JSONResponse({"detail": "internal error; see the server's log"}, 500)


def _reason(problem: dict[str, Any]) -> str:
    """Pydantic's "Input should be …, unable to …" about an option, in our words."""
    wanted = problem["msg"].removeprefix("Input ").partition(", unable")[0]
    return f"{problem['loc'][-1]} {wanted}, but is {printable(str(problem['input']), 60) or 'empty'}"


class CutOff:
    """ASGI middleware that answers requests that a stopping server cancels, when its time limit for them is over."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection; see the ASGI specification."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        begun = False

        async def noted_send(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, noted_send)
        except asyncio.CancelledError:  # by uvicorn, which would log a traceback
            if not begun:
                detail = {"detail": "the server is stopping and has not finished this request; send it again"}
                await JSONResponse(detail, 503, {"Retry-After": "5"})(scope, receive, send)
