"""The CPUs and the memory that this process may use, which containers, batch queues and taskset can limit."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_MEMORY = Path("/proc/meminfo")


def usable_cpus() -> int:
    """Number of CPUs that the process may use, at least 1: its affinity, or its control groups' quota if less."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min([allowed, *_quotas()])))


def usable_memory() -> int:
    """Bytes that the process may still allocate without swapping: those available on the computer, or its control
    groups' limit if less."""
    return int(min([_available(), *_memory_limits()]))


def _available() -> int:
    try:
        lines = _MEMORY.read_text(encoding="utf-8").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):  # not Linux: all of it
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _quotas() -> Iterator[float]:
    """Number of CPUs that each control group may use, if it is limited."""
    for folder in _own_groups("cpu"):
        version_1 = (_read(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        numbers = (_read(folder / "cpu.max") or " ".join(version_1)).split()
        if len(numbers) == 2 and all(number.isdecimal() for number in numbers):
            yield int(numbers[0]) / int(numbers[1])


def _memory_limits() -> Iterator[int]:
    """Bytes that each control group may use, if it is limited."""
    for folder in _own_groups("memory"):
        limit = (_read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")).strip()
        if limit.isdecimal():
            yield int(limit)


def _own_groups(controller: str) -> Iterator[Path]:
    """Folders of this process's control groups and their parents, versions 1 (of the controller) and 2."""
    for line in _read(_OWN).splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers == "" or controller in controllers.split(","):
            inner = Path(path.lstrip("/"))
            yield from (_GROUPS / controllers / part for part in (inner, *inner.parents))


def _read(path: Path) -> str:
    """The text of a file; empty if there is none, or it belongs to a group in another namespace."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
