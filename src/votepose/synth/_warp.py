"""Imports Warp without its startup messages; import this before other modules that import Warp, such as anny."""

import os

import warp

from votepose.errors import VoteposeError

warp.config.log_level = warp.LOG_ERROR


def _start() -> None:
    """Start Warp with stderr redirected, since its native code reports a missing GPU there at any log level."""
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        warp.init()
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


_start()


def check_device(name: str) -> None:
    """Check that Warp can trace rays on a device, such as "cpu" or "cuda:0".

    Raises:
        VoteposeError: if it cannot.
    """
    there = [str(device) for device in warp.get_devices()]
    if name not in there:
        raise VoteposeError(f"no device {name!r} for ray tracing; available: {', '.join(there)}")
