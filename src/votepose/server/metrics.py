"""Prometheus metrics of the server."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.routing import get_route_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Metrics of one server.

    Args:
        slots: number of slots of the workers and the queue.
        taken: returns the number of slots currently taken.
    """

    def __init__(self, slots: int, taken: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)  # memory, open files, processor time
        named: dict[str, Any] = {"namespace": "votepose", "registry": self._registry}
        self._requests = Counter("requests", "Requests for poses, by HTTP status", ["status"], **named)
        self._seconds = Histogram("request_seconds", "Time from request to response", buckets=_SECONDS, **named)
        self._stages = Histogram("stage_seconds", "Time per stage of the work", ["stage"], buckets=_SECONDS, **named)
        self._people = Counter("people", "People found", **named)
        Gauge("places", "Maximum number of requests being processed or waiting", **named).set(slots)
        Gauge("places_taken", "Requests being processed or waiting", **named).set_function(taken)

    def answered(self, status: int, seconds: float) -> None:
        """Count a request for poses, answered with HTTP `status` after `seconds` (499: the client disconnected)."""
        self._requests.labels(str(status)).inc()
        self._seconds.observe(seconds)

    def found(self, people: int, stages: dict[str, float]) -> None:
        """Count the people in an image, and record the seconds of each stage of the work."""
        self._people.inc(people)
        for stage, seconds in stages.items():
            self._stages.labels(stage).observe(seconds)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class Counted:
    """ASGI middleware that counts requests for poses, also those refused before they reach their route's function.

    Args:
        app: the application to wrap.
        metrics: counts them.
        paths: paths of the routes.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: Collection[str]) -> None:
        self.app, self.metrics, self.paths = app, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection; see the ASGI specification."""
        if scope["type"] != "http" or scope["method"] != "POST" or get_route_path(scope) not in self.paths:
            return await self.app(scope, receive, send)
        started, answered = time.perf_counter(), False

        def count(status: int) -> None:
            nonlocal answered
            answered = True
            self.metrics.answered(status, time.perf_counter() - started)

        async def counted_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                count(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, counted_send)
        finally:
            if not answered:
                count(500)
