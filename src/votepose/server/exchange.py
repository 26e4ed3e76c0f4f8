"""Measures each request, for the metrics and the access log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class Exchange:
    """A request and its answer.

    Attributes:
        scope: of the request, see the ASGI specification; its state may hold the number of `people`.
        arrived: when it arrived.
        seconds: from then to the end of the answer.
        status: HTTP status; 499, as in nginx, if the client disconnected.
        received, sent: bytes of the bodies.
    """

    scope: Scope
    arrived: datetime
    seconds: float
    status: int
    received: int
    sent: int


class Measured:
    """ASGI middleware that reports each request once it has been answered.

    Args:
        app: the application to wrap.
        reports: each is called with every exchange.
    """

    def __init__(self, app: ASGIApp, reports: Sequence[Callable[[Exchange], None]]) -> None:
        self.app, self.reports = app, reports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection; see the ASGI specification."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started, arrived = time.perf_counter(), datetime.now(UTC)
        status, received, sent = 0, 0, 0

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
            seconds = time.perf_counter() - started
            exchange = Exchange(scope, arrived, seconds, status or 499, received, sent)
            for report in self.reports:
                report(exchange)
