"""Summarises and checks the measurements of `serve_load.py`."""

from __future__ import annotations

import platform
import statistics
import time
from dataclasses import dataclass
from typing import Any

import psutil
from serve_requests import Tally


@dataclass(frozen=True)
class Busy:
    """CPU seconds used so far by each party, to tell a slow server from one starved by other programs."""

    at: float
    server: float
    client: float
    total: float

    @classmethod
    def now(cls, server: psutil.Process) -> Busy:
        """The values at this moment."""
        times = psutil.cpu_times()
        used = [sum(process.cpu_times()[:2]) for process in (server, psutil.Process())]
        return cls(time.monotonic(), *used, times.user + times.nice + times.system)

    def shares(self, since: Busy) -> dict[str, float]:
        """CPUs kept busy since then: by the server, by this client, and by all other programs."""
        seconds = self.at - since.at
        server, client = (self.server - since.server) / seconds, (self.client - since.client) / seconds
        others = (self.total - since.total) / seconds - server - client
        return {"server": round(server, 2), "client": round(client, 2), "others": round(others, 2)}


def summary(
    tally: Tally, memory: list[dict[str, float]], able: float, shares: dict[str, dict[str, float]], minutes: float
) -> dict[str, Any]:
    """The results, with the checks: `ok` if all hold.

    Args:
        tally: the answers.
        memory: memory of the server over time.
        able: its capacity, in answers per second.
        shares: processors busy in the phases `capacity` and `load`.
        minutes: duration of the load.
    """
    answered = tally.statuses["200"] / (60 * minutes)
    rates = {"capacity": able, "load": answered}
    yields = {phase: rate / max(shares[phase]["server"], 0.01) for phase, rate in rates.items()}
    later = memory[len(memory) // 5 :]  # the first fifth fills the allocator's pools
    half = len(later) // 2
    early, late = (
        {key: statistics.median(row[key] for row in part) for key in ("mb", "files")}
        for part in (later[:half], later[half:])
    )
    quantiles = statistics.quantiles(tally.milliseconds, n=100) if len(tally.milliseconds) > 1 else [0.0] * 99
    sent = sum(tally.statuses.values()) + tally.left
    checks = {
        "no crash": True,  # the caller checks that it stopped cleanly
        "every answer right or a clear refusal": not tally.wrong,
        "memory flat": late["mb"] - early["mb"] < max(10, 0.05 * early["mb"]),
        "files flat": late["files"] - early["files"] <= 8,  # connections come and go
        # by the server's CPU time, which includes refusals and dropped work but not other programs
        "overload costs less than half of the answers": yields["load"] > 0.5 * yields["capacity"],
    }
    return {
        "ok": all(checks.values()),
        "checks": checks,
        "minutes": minutes,
        "capacity_per_second": round(able, 2),
        "sent": sent,
        "sent_per_second": round(sent / (60 * minutes), 2),
        "answered_per_second": round(answered, 2),
        "answers_per_server_processor_second": {phase: round(value, 2) for phase, value in yields.items()},
        "processors_busy": shares,
        "statuses": dict(sorted(tally.statuses.items())),
        "clients_that_left": tally.left,
        "wrong": tally.wrong[:20],
        "milliseconds": {"median": round(quantiles[49]), "p95": round(quantiles[94]), "p99": round(quantiles[98])},
        "memory_mb": {
            "early": round(early["mb"], 1),
            "late": round(late["mb"], 1),
            "most": round(max(r["mb"] for r in memory), 1),
        },
        "memory_over_time": memory[:: max(1, len(memory) // 60)],
        "host": f"{psutil.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}",
    }
