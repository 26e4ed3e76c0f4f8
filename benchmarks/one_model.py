"""Runs one model in its own process for `models.py`, with the votepose on PYTHONPATH, which may be an old one.

    python benchmarks/one_model.py MODEL THREADS PICTURE

Prints a JSON object with the seconds from the start of the import to the first result. Then, for each line of stdin, a
JSON list of image files, it prints a JSON object: processor milliseconds and people for each image, and the peak memory
of the process so far, in MB.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


def main(model: str, threads: str, picture: str) -> None:
    started, used = time.perf_counter(), time.process_time()
    import votepose  # counts as start-up time

    predictor = votepose.load(None if model == "bundled" else model, threads=int(threads))
    predictor(picture)
    _answer({"start_s": time.perf_counter() - started, "start_cpu_s": time.process_time() - used})
    for line in sys.stdin:
        spent, people = [], []
        for path in json.loads(line):
            used = time.process_time()
            found = predictor(path)
            spent.append(1000 * (time.process_time() - used))
            people.append(len(found))
        _answer({"cpu_ms": spent, "people": people, "memory_mb": _peak_memory_mb()})


def _peak_memory_mb() -> float:
    """Not of `resource.getrusage`: there, a process starts with the peak of the one that started it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1.024 / 1000 for line in lines if line.startswith("VmHWM"))


def _answer(values: dict[str, Any]) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
