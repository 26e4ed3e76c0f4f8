"""Warp without its greeting: imported before anything else that imports Warp, as anny does."""

import warp

from votepose.errors import VoteposeError

warp.config.log_level = warp.LOG_ERROR


def check_device(name: str) -> None:
    """That Warp can cast rays there: "cpu", "cuda:0".

    Raises:
        VoteposeError: if it cannot.
    """
    there = [str(device) for device in warp.get_devices()]
    if name not in there:
        raise VoteposeError(f"no device {name!r} for the rays: there is {', '.join(there)}")
