"""How many CPUs and how much memory: the computer's, or a container's if less."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from votepose.utils import machine


def test_it_is_at_most_what_the_machine_has() -> None:
    assert 1 <= machine.usable_cpus() <= (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_one_cpu_means_one_thread(fake_model: Path) -> None:
    """onnxruntime alone would take a thread for each of the machine's cores."""
    code = f"""
import os
os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})
import votepose
model = votepose.load({str(fake_model)!r})
import numpy
model(numpy.zeros((64, 64, 3), numpy.uint8))
print(len(os.listdir("/proc/self/task")))
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "1\n"


@pytest.mark.parametrize(
    ("files", "lines", "expected"),
    [
        ({"cpu.max": "50000 100000\n"}, "0::/\n", 1),
        ({"cpu.max": "150000 100000\n"}, "0::/\n", 2),
        ({"cpu.max": "max 100000\n"}, "0::/\n", 64),
        ({"cpu.max": "300000 100000\n", "job/inner/cpu.max": "max 100000\n"}, "0::/job/inner\n", 3),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, "4:memory:/x\n1:cpu:/\n", 2),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "1:cpu,cpuacct:/\n", 64),
        ({"cpu.max": "nonsense"}, "0::/\n", 64),
        ({}, "0::/\n", 64),
    ],
)
def test_quotas_of_control_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], lines: str, expected: int
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "cgroup").write_text(lines, encoding="utf-8")
    monkeypatch.setattr(machine, "_GROUPS", tmp_path)
    monkeypatch.setattr(machine, "_OWN", tmp_path / "cgroup")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert machine.usable_cpus() == expected


@pytest.mark.parametrize(
    ("files", "lines", "expected"),
    [
        ({}, "0::/\n", 8 * 2**30),
        ({"memory.max": "max\n"}, "0::/\n", 8 * 2**30),
        ({"memory.max": "1073741824\n", "job/memory.max": "max\n"}, "0::/job\n", 2**30),
        ({"memory/x/memory.limit_in_bytes": "4096\n"}, "4:memory:/x\n1:cpu:/\n", 4096),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, "4:memory:/\n", 8 * 2**30),
    ],
)
def test_memory_is_what_is_available_or_the_groups_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], lines: str, expected: int
) -> None:
    for name, text in (files | {"own": lines, "meminfo": "MemTotal: 9 kB\nMemAvailable:   8388608 kB\n"}).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    for attribute, name in (("_GROUPS", ""), ("_OWN", "own"), ("_MEMORY", "meminfo")):
        monkeypatch.setattr(machine, attribute, tmp_path / name)
    assert machine.usable_memory() == expected
