"""Tests `votepose serve` at twice its capacity: availability, memory, and correctness of the answers.

Starts a server with the bundled weights, measures its capacity (answers per second with twice as many requests in
flight as it has workers), then sends twice as many requests per second for `--minutes`, without waiting for earlier
answers. Most are images of examples/; some are too large, not an image, or broken; some clients leave early. Every
answer must equal the direct prediction for its image, or be the correct error.

    python benchmarks/serve_load.py --minutes 10

Prints a summary and writes benchmarks/serve_load.json; exits 1 if a check fails.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx2 as httpx
import psutil
import tyro
from serve_requests import capacity, cases, load
from serve_summary import Busy, summary

from votepose.io.files import save_text

ROOT = Path(__file__).parents[1]
SERVE = "import sys; from votepose.commands.serve import ModelOptions, ServeConfig, run; sys.exit(run(ServeConfig({})))"


@dataclass(frozen=True)
class LoadConfig:
    """Load `votepose serve` with twice its capacity."""

    minutes: Annotated[float, tyro.conf.arg(aliases=["-m"])] = 10
    """Duration of the load, after the capacity has been measured."""
    overload: float = 2.0
    """Requests per second, in units of the capacity."""
    workers: int = 2
    """Server option."""
    threads: int | None = 1
    """Number of threads for the network, per worker."""
    queue: int = 16
    """Server option."""
    timeout: float = 10
    """Server option, in seconds."""
    warm_up: float = 10
    """Duration of the capacity measurement, in seconds."""
    out: Path = ROOT / "benchmarks" / "serve_load.json"
    """Output file."""


@contextmanager
def server(config: LoadConfig) -> Iterator[tuple[str, psutil.Process]]:
    """A server in its own process: its URL and the process. Raises AssertionError unless it stops cleanly."""
    options = (
        f"port=0, workers={config.workers}, queue={config.queue}, timeout={config.timeout}, "
        f"model=ModelOptions(threads={config.threads})"
    )
    command = [sys.executable, "-c", SERVE.format(options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", cwd=ROOT) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, "the server did not start"
        yield found[0], psutil.Process(process.pid)
        assert process.poll() is None, "the server has crashed"
        process.terminate()
        assert process.wait(60) == 0, "the server did not stop cleanly"


async def measure(config: LoadConfig) -> dict[str, Any]:
    """Run the whole benchmark."""
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
                f"capacity: {able:.2f} images/s; now {rate:.2f} per second for {config.minutes:g} minutes", flush=True
            )
            tally, memory = await load(client, every, rate, config.minutes, process)
            busy.append(Busy.now(process))
    shares = {
        name: after.shares(before) for name, before, after in zip(("capacity", "load"), busy, busy[1:], strict=False)
    }
    options = {name: getattr(config, name) for name in ("workers", "threads", "queue", "timeout")}
    return summary(tally, memory, able, shares, config.minutes) | {"server": options}


def main(config: LoadConfig) -> int:
    """Measure, print, write. Returns 0 if all checks hold, else 1."""
    results = asyncio.run(measure(config))
    for name, value in results.items():
        if name != "memory_over_time":
            print(f"{name}: {value}")
    save_text(json.dumps(results, indent=1) + "\n", config.out)
    return 0 if results["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(LoadConfig, config=(tyro.conf.FlagConversionOff,))))
