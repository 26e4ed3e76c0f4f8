"""How many CPUs this process may use: fewer than the machine has in containers, batch queues and under taskset."""

from __future__ import annotations

import math
import os
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def usable_cpus() -> int:
    """CPUs that the process may use, at least 1: those of its affinity, or the quota of its control groups if less."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, *_quotas(_own_groups()))))


def _own_groups() -> list[Path]:
    """Folders of the control groups that this process is in and of those around them, versions 1 and 2."""
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
    """CPUs that each group may use, infinite without a limit; also infinite as the list's last item."""
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
        except (OSError, ValueError):  # the group has no such limit, or is that of another namespace
            continue
    return quotas
