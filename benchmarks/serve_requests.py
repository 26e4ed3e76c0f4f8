"""Sends the requests of `serve_load.py` at a given rate, and checks the answers."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx
import psutil

import votepose

EXAMPLES = Path(__file__).parents[1] / "examples"


@dataclass(frozen=True)
class Case:
    """A request and its allowed answers: `record` with status 200, or one of `statuses`."""

    name: str
    body: bytes
    record: dict[str, Any] | None
    statuses: frozenset[int]


@dataclass
class Tally:
    """The answers so far."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)  # of answers with status 200
    left: int = 0


def cases() -> list[Case]:
    """The images with their direct predictions, and requests that must be refused."""
    predictor = votepose.load()
    refused = frozenset({503, 504})
    pictures = [
        Case(path.name, path.read_bytes(), predictor(path).to_record() | {"image": None}, refused)
        for path in sorted(EXAMPLES.glob("*.jpg"))
    ]
    first = pictures[0].body
    return [
        *pictures * 4,
        Case("too large", bytes(17 * 2**20), None, refused | {413}),
        Case("no image", b"hello" * 100, None, refused | {415}),
        Case("truncated", first[: len(first) // 2], None, refused | {422}),
        Case("empty", b"", None, refused | {400}),
    ]


async def send(client: httpx.AsyncClient, case: Case, tally: Tally, patience: float | None = None) -> None:
    """Send one request and check the answer; with `patience` the client disconnects after that many seconds."""
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
            tally.wrong.append(f"{case.name}: the record differs from the direct prediction")
    elif answer.status_code not in case.statuses or not isinstance(answer.json().get("detail"), str):
        tally.wrong.append(f"{case.name}: {answer.status_code} {answer.text[:100]}")
    elif answer.status_code == 503 and not answer.headers.get("retry-after", "").isdecimal():
        tally.wrong.append(f"{case.name}: 503 without Retry-After")


def same(got: Any, expected: Any) -> bool:
    """Whether they are equal within one unit of the last printed digit, which depends on the number of threads."""
    if isinstance(expected, dict):
        return got.keys() == expected.keys() and all(same(got[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(got) == len(expected) and all(map(same, got, expected))
    if isinstance(expected, float):
        return abs(got - expected) <= 0.011
    return got == expected


async def capacity(client: httpx.AsyncClient, pictures: list[Case], seconds: float, clients: int) -> float:
    """Answers per second, with `clients` requests in flight."""
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


async def load(
    client: httpx.AsyncClient, every: list[Case], rate: float, minutes: float, process: psutil.Process
) -> tuple[Tally, list[dict[str, float]]]:
    """Send `rate` requests per second for `minutes`; returns the answers, and the server's memory over time."""
    rng, tally, memory = random.Random(0), Tally(), []
    running: set[asyncio.Task] = set()
    started = due = time.monotonic()
    end, sampled = started + 60 * minutes, 0.0
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
