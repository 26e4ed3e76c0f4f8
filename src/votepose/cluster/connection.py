"""Connects to a Ray cluster, or starts Ray on this machine for the duration of a run."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

import ray

from votepose.errors import VoteposeError, one_line


@contextlib.contextmanager
def connected(address: str | None, cpus: int | None) -> Iterator[bool]:
    """Run Ray within the block: the process's own if it has one, the cluster at `address`, or one on this machine.

    Args:
        cpus: number of CPUs for Ray on this machine; None for all.

    Yields:
        Whether it is a cluster that more machines may join.

    Raises:
        VoteposeError: if nothing answers at the address.
    """
    if ray.is_initialized():
        with remarks_to_stderr():
            yield True
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # Ray logs errors to stderr that it recovers from
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # avoids a warning about a future change
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    try:
        if address != "local":
            _knock(address)
        with _no_stderr():
            if address == "local":
                ray.init(address="local", num_cpus=cpus, include_dashboard=False, **quiet)
            else:
                ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        if isinstance(error, VoteposeError):
            raise
        raise VoteposeError(f"Ray at {address}: {one_line(error)}; check --address") from error
    with remarks_to_stderr():
        try:
            yield address != "local"
        finally:
            ray.shutdown()


def remarks_to_stderr() -> contextlib.AbstractContextManager[object]:
    """Send Ray's messages about lost workers and machines to stderr: stdout is for the summary line."""
    return contextlib.redirect_stdout(_Remarks())


class _Remarks(io.TextIOBase):
    """Forwards lines to stderr, except those about workers that Ray killed because the run was stopped."""

    def __init__(self) -> None:
        self._begun = ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if "killed by `ray.kill`" not in line:
                print(line, file=sys.stderr)
        return len(text)


@contextlib.contextmanager
def _no_stderr() -> Iterator[None]:
    """Hide stderr, where Ray's C++ code reports its log level. Errors are raised as exceptions anyway."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _knock(address: str) -> None:
    """Check that the address accepts connections; Ray would try for two minutes, then exit the process."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return  # "auto", or an error that Ray reports itself
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:  # OverflowError: an invalid port number
        reason = getattr(error, "strerror", None) or "no answer"
        raise VoteposeError(f"no Ray cluster answers at {address} ({reason}); check --address") from None
