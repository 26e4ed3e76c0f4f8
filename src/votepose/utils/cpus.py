"""Counts the CPUs that this process may use, which containers, batch queues and taskset can limit."""

from __future__ import annotations

import math
import os
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def usable_cpus() -> int:
    """Number of CPUs that the process may use, at least 1: its affinity, or its control groups' quota if less."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, *_quotas(_own_groups()))))


def _own_groups() -> list[Path]:
    """Folders of this process's control groups and their parents, versions 1 and 2."""
    try:
        lines = _OWN.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return []
    folders = []
    for line in lines:
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers == "" or "cpu" in controllers.split(","):
            inner = Path(path.lstrip("/"))
            folders += [_GROUPS / controllers / part for part in (inner, *inner.parents)]
    return folders


def _quotas(folders: list[Path]) -> list[float]:
    """Number of CPUs that each group may use, infinite without a limit; the list ends with an infinity."""
    quotas = [math.inf]
    for folder in folders:
        try:
            if (folder / "cpu.max").exists():  # version 2
                quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
            else:
                names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
                quota, period = ((folder / name).read_text(encoding="utf-8") for name in names)
            if quota != "max" and int(quota) > 0:
                quotas.append(int(quota) / int(period))
        except (OSError, ValueError):  # no such limit, or the group is in another namespace
            continue
    return quotas
