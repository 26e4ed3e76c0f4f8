"""`votepose serve` under twice the load that it can bear: does it stay up, stay small, and stay right?

Starts a server of its own with the bundled weights, measures its capacity (answers a second while twice as many
requests are under way as it has workers), then sends twice as many requests a second, whether earlier ones were
answered or not, for `--minutes`. Most are pictures of examples/; some are too large, no picture, or broken; some
clients leave early. Every answer must equal the direct prediction of its picture, or be a refusal that fits what was
sent.

    python benchmarks/serve_load.py --minutes 10

Prints a summary and writes benchmarks/serve_load.json; exits 1 if a check fails.
"""

from __future__ import annotations

import asyncio
import json
import platform
import random
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import httpx2 as httpx
import psutil
import tyro

import votepose

ROOT = Path(__file__).parents[1]
SERVE = "import sys; from votepose.serve import ServeConfig, run; sys.exit(run(ServeConfig({})))"


@dataclass(frozen=True)
class LoadConfig:
    """Load `votepose serve` with twice what it can bear."""

    minutes: Annotated[float, tyro.conf.arg(aliases=["-m"])] = 10
    """Of load, after the capacity has been measured."""
    overload: float = 2.0
    """Requests sent a second, in capacities."""
    workers: int = 2
    """Of the server."""
    threads: int | None = 1
    """Of the network, for each worker."""
    queue: int = 16
    """Of the server."""
    timeout: float = 10
    """Of the server, in seconds."""
    warm_up: float = 10
    """Seconds that the capacity is measured for."""
    out: Path = ROOT / "benchmarks" / "serve_load.json"
    """Where the results go."""


@dataclass(frozen=True)
class Case:
    """What is sent, and what may come back: a record with 200, or else one of `statuses`."""

    name: str
    body: bytes
    record: dict[str, Any] | None
    statuses: frozenset[int]


@dataclass(frozen=True)
class Busy:
    """Processor seconds so far, by whom, at a moment: tells a slow server from one that others leave no time to."""

    at: float
    server: float
    client: float
    everybody: float

    @classmethod
    def now(cls, server: psutil.Process) -> Busy:
        """At this moment."""
        times = psutil.cpu_times()
        used = [sum(process.cpu_times()[:2]) for process in (server, psutil.Process())]
        return cls(time.monotonic(), *used, times.user + times.nice + times.system)

    def shares(self, since: Busy) -> dict[str, float]:
        """Processors kept busy since then: by the server, by this client, and by all other programs."""
        seconds = self.at - since.at
        server, client = (self.server - since.server) / seconds, (self.client - since.client) / seconds
        others = (self.everybody - since.everybody) / seconds - server - client
        return {"server": round(server, 2), "client": round(client, 2), "others": round(others, 2)}


@dataclass
class Tally:
    """What came back."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)  # of answers with 200
    left: int = 0


def cases() -> list[Case]:
    """The pictures with their direct predictions, and things that are to be refused."""
    predictor = votepose.load()
    refused = frozenset({503, 504})
    pictures = [
        Case(path.name, path.read_bytes(), predictor(path).to_record() | {"image": None}, refused)
        for path in sorted((ROOT / "examples").glob("*.jpg"))
    ]
    first = pictures[0].body
    return [
        *pictures * 4,
        Case("too large", bytes(17 * 2**20), None, refused | {413}),
        Case("no picture", b"hello" * 100, None, refused | {415}),
        Case("truncated", first[: len(first) // 2], None, refused | {422}),
        Case("empty", b"", None, refused | {400}),
    ]


@contextmanager
def server(config: LoadConfig) -> Iterator[tuple[str, psutil.Process]]:
    """A server in a process of its own: its URL and the process. Raises AssertionError unless it then stops cleanly."""
    options = (
        f"port=0, workers={config.workers}, threads={config.threads}, queue={config.queue}, timeout={config.timeout}"
    )
    command = [sys.executable, "-c", SERVE.format(options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, "the server did not start"
        yield found[0], psutil.Process(process.pid)
        assert process.poll() is None, "the server has crashed"
        process.terminate()
        assert process.wait(60) == 0, "the server did not stop cleanly"


async def send(client: httpx.AsyncClient, case: Case, tally: Tally, patience: float | None = None) -> None:
    """One request and its check; with `patience` the client leaves after so many seconds."""
    started = time.perf_counter()
    try:
        call = client.post("/v1/poses", content=case.body)
        answer = await asyncio.wait_for(call, patience)
    except TimeoutError:
        tally.left += 1
        return
    except httpx.HTTPError as error:
        tally.statuses[type(error).__name__] += 1
        tally.wrong.append(f"{case.name}: {error!r}")
        return
    tally.statuses[str(answer.status_code)] += 1
    if answer.status_code == 200:
        tally.milliseconds.append(1000 * (time.perf_counter() - started))
        if case.record is None or not same(answer.json(), case.record):
            tally.wrong.append(f"{case.name}: another record than the direct prediction's")
    elif answer.status_code not in case.statuses or not isinstance(answer.json().get("detail"), str):
        tally.wrong.append(f"{case.name}: {answer.status_code} {answer.text[:100]}")
    elif answer.status_code == 503 and not answer.headers.get("retry-after", "").isdecimal():
        tally.wrong.append(f"{case.name}: 503 without Retry-After")


def same(got: Any, expected: Any) -> bool:
    """Equal, with numbers up to their last written digit: how many threads compute moves the last bits."""
    if isinstance(expected, dict):
        return got.keys() == expected.keys() and all(same(got[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(got) == len(expected) and all(map(same, got, expected))
    if isinstance(expected, float):
        return abs(got - expected) <= 0.011
    return got == expected


async def capacity(client: httpx.AsyncClient, pictures: list[Case], seconds: float, clients: int) -> float:
    """Answers a second, with `clients` requests under way."""
    tally, end = Tally(), time.monotonic() + seconds
    await asyncio.gather(*(send(client, pictures[k % len(pictures)], Tally()) for k in range(clients)))

    async def again(k: int) -> None:
        while time.monotonic() < end:
            await send(client, pictures[k % len(pictures)], tally)
            k += 1

    started = time.perf_counter()
    await asyncio.gather(*(again(k) for k in range(clients)))
    assert not tally.wrong, tally.wrong[:3]
    return tally.statuses["200"] / (time.perf_counter() - started)


async def load(client: httpx.AsyncClient, every: list[Case], rate: float, config: LoadConfig, process: psutil.Process) \
        -> tuple[Tally, list[dict[str, float]]]:  # fmt: skip
    """Send `rate` requests a second for the time of `config`; what came back, and the server's memory over time."""
    rng, tally, memory = random.Random(0), Tally(), []
    running: set[asyncio.Task] = set()
    started = due = time.monotonic()
    end, sampled = started + 60 * config.minutes, 0.0
    while (now := time.monotonic()) < end:
        if now - sampled > 1:
            sampled = now
            sizes = {
                "mb": process.memory_info().rss / 1e6,
                "files": process.num_fds(),
                "threads": process.num_threads(),
            }
            memory.append({"second": round(now - started, 1)} | sizes)
        patience = rng.uniform(0.05, 1) if rng.random() < 0.03 else None
        task = asyncio.create_task(send(client, rng.choice(every), tally, patience))
        running.add(task)
        task.add_done_callback(running.discard)
        due += rng.expovariate(rate)
        await asyncio.sleep(max(0, due - time.monotonic()))
    await asyncio.gather(*running)
    return tally, memory


def summary(
    tally: Tally, memory: list[dict[str, float]], able: float, shares: dict[str, dict[str, float]], config: LoadConfig
) -> dict[str, Any]:
    """The results, with the checks: `ok` if all hold. `shares`: processors busy in the phases capacity and load."""
    answered = tally.statuses["200"] / (60 * config.minutes)
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
        "no crash": True,  # the caller has seen it stop cleanly
        "every answer right or a clear refusal": not tally.wrong,
        "memory flat": late["mb"] - early["mb"] < max(10, 0.05 * early["mb"]),
        "files flat": late["files"] - early["files"] <= 8,  # connections come and go
        # by the server's own processor time: what refusals and dropped work cost shows, what other programs take not
        "overload costs less than half of the answers": yields["load"] > 0.5 * yields["capacity"],
    }
    return {
        "ok": all(checks.values()),
        "checks": checks,
        "minutes": config.minutes,
        "capacity_per_second": round(able, 2),
        "sent": sent,
        "sent_per_second": round(sent / (60 * config.minutes), 2),
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
        "server": {
            "workers": config.workers,
            "threads": config.threads,
            "queue": config.queue,
            "timeout": config.timeout,
        },
        "host": f"{psutil.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}",
    }


async def measure(config: LoadConfig) -> dict[str, Any]:
    """The whole of it."""
    every = cases()
    pictures = [case for case in every if case.record is not None]
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    with server(config) as (url, process):
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
            busy = [Busy.now(process)]
            able = await capacity(client, pictures, config.warm_up, 2 * config.workers)
            busy.append(Busy.now(process))
            rate = config.overload * able
            print(
                f"capacity: {able:.2f} pictures/s; now {rate:.2f} a second for {config.minutes:g} minutes", flush=True
            )
            tally, memory = await load(client, every, rate, config, process)
            busy.append(Busy.now(process))
    shares = {name: after.shares(before) for name, before, after in
              zip(("capacity", "load"), busy, busy[1:], strict=False)}  # fmt: skip
    return summary(tally, memory, able, shares, config)


def main(config: LoadConfig) -> int:
    """Measure, print, write. Returns 0 if all checks hold, else 1."""
    results = asyncio.run(measure(config))
    for name, value in results.items():
        if name != "memory_over_time":
            print(f"{name}: {value}")
    partial = config.out.with_suffix(".partial")
    partial.write_text(json.dumps(results, indent=1) + "\n")
    partial.replace(config.out)
    return 0 if results["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(LoadConfig, config=(tyro.conf.FlagConversionOff,))))
