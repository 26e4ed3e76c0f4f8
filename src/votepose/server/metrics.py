"""What the server counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counters of one server.

    Args:
        places: how many there are, workers and queue.
        taken: tells how many are taken at this moment.
    """

    def __init__(self, places: int, taken: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)  # memory, open files, processor time
        named: dict[str, Any] = {"namespace": "votepose", "registry": self._registry}
        self._requests = Counter("requests", "Pictures asked about, by the answer's HTTP status", ["status"], **named)
        self._seconds = Histogram("request_seconds", "From a request's head to its answer", buckets=_SECONDS, **named)
        self._stages = Histogram("stage_seconds", "Of the work", ["stage"], buckets=_SECONDS, **named)
        self._people = Counter("people", "People found", **named)
        Gauge("places", "Requests that may be worked on or wait", **named).set(places)
        Gauge("places_taken", "Requests that are worked on or wait", **named).set_function(taken)

    def answered(self, status: int, seconds: float) -> None:
        """A request for poses ended with an HTTP `status`, `seconds` after it began (499: the client went away)."""
        self._requests.labels(str(status)).inc()
        self._seconds.observe(seconds)

    def found(self, people: int, stages: dict[str, float]) -> None:
        """So many people in a picture; seconds by stage of the work."""
        self._people.inc(people)
        for stage, seconds in stages.items():
            self._stages.labels(stage).observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
