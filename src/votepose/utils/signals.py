"""Treats SIGTERM and SIGHUP (a scheduler's time limit, a closed terminal) like Ctrl-C, so results so far are kept."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def stop_like_ctrl_c() -> Iterator[None]:
    """Within the block, SIGTERM and SIGHUP raise KeyboardInterrupt once. No effect outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]

    def stop(number: int, frame: FrameType | None) -> None:
        for each in numbers:  # a second signal must not interrupt the clean-up
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in numbers}
    # under nohup SIGHUP is ignored: leave it so
    wanted = [number for number in numbers if before[number] is not signal.SIG_IGN]
    try:
        for number in wanted:
            signal.signal(number, stop)
        yield
    finally:
        for number in wanted:
            signal.signal(number, before[number] or signal.SIG_DFL)
