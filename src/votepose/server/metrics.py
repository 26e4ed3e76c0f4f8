"""Prometheus metrics of the server."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.routing import get_route_path

from votepose.server.exchange import Exchange

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Metrics of one server.

    Args:
        slots: number of slots of the workers and the queue.
        taken: returns the number of slots currently taken.
        paths: paths of the requests for poses.
    """

    def __init__(self, slots: int, taken: Callable[[], int], paths: Collection[str]) -> None:
        self._paths = paths
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)  # memory, open files, processor time
        named: dict[str, Any] = {"namespace": "votepose", "registry": self._registry}
        self._requests = Counter("requests", "Requests for poses, by HTTP status", ["status"], **named)
        self._seconds = Histogram("request_seconds", "Time from request to response", buckets=_SECONDS, **named)
        self._stages = Histogram("stage_seconds", "Time per stage of the work", ["stage"], buckets=_SECONDS, **named)
        self._people = Counter("people", "People found", **named)
        Gauge("places", "Maximum number of requests being processed or waiting", **named).set(slots)
        Gauge("places_taken", "Requests being processed or waiting", **named).set_function(taken)

    def count(self, exchange: Exchange) -> None:
        """Count a request, if it is one for poses; also if it was refused before it reached its route's function."""
        if exchange.scope["method"] == "POST" and get_route_path(exchange.scope) in self._paths:
            self._requests.labels(str(exchange.status)).inc()
            self._seconds.observe(exchange.seconds)

    def found(self, people: int, stages: dict[str, float]) -> None:
        """Count the people in an image, and record the seconds of each stage of the work."""
        self._people.inc(people)
        for stage, seconds in stages.items():
            self._stages.labels(stage).observe(seconds)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)
