"""A threaded map that keeps the order and holds only a few items at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from votepose.errors import VoteposeError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Pause:
    """What an iterable that waits for its next item yields meanwhile, so that finished results do not wait as well."""


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item | Pause],
    workers: int,
    ahead: int | None = None,
    stop: Callable[[], object] = lambda: None,
) -> Generator[Result, None, None]:
    """Like `map`, with up to `workers` calls at a time.

    If reading the items is interrupted, as by Ctrl-C, the finished results are still yielded before the interruption is
    raised.

    Args:
        function: called with each item, in another thread.
        items: read in the caller's thread, at most `ahead` items ahead of the next result.
        workers: number of threads.
        ahead: see `items`; None for twice the workers.
        stop: called when the caller stops early, to end the calls in progress.

    Raises:
        VoteposeError: if `workers` is not positive. An exception in a call is raised in place of its result, and one
            of `items` after the results of the items before it.
    """
    if workers < 1:
        raise VoteposeError(f"workers should be at least 1, but is {workers}")
    most = 2 * workers if ahead is None else ahead
    pool, waiting, source = ThreadPoolExecutor(workers), deque[Future[Result]](), iter(items)
    ending: BaseException | None = None
    try:
        while ending is None:
            try:
                item = next(source)
            except BaseException as error:
                ending = error
            else:
                if not isinstance(item, Pause):
                    waiting.append(pool.submit(function, item))
            while waiting and (len(waiting) > most or waiting[0].done()):
                yield waiting.popleft().result()
        if isinstance(ending, Exception):  # StopIteration, too
            while waiting:
                yield waiting.popleft().result()
        if not isinstance(ending, StopIteration):
            raise ending
    finally:  # even if the caller stops early
        pool.shutdown(wait=False, cancel_futures=True)
        if waiting:
            stop()
        pool.shutdown()
