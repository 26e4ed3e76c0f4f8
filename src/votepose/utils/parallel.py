"""A threaded map that keeps the order and holds only a few items at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from votepose.errors import VoteposeError

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, ahead: int | None = None
) -> Generator[Result, None, None]:
    """Like `map`, with up to `workers` calls at a time.

    Args:
        function: called with each item, in any thread.
        items: read in the caller's thread, at most `ahead` items ahead of the next result.
        workers: number of threads.
        ahead: see `items`; None for twice the workers.

    Raises:
        VoteposeError: if `workers` is not positive. An exception in a call is raised in place of its result, and one
            of `items` after the results of the items before it.
    """
    if workers < 1:
        raise VoteposeError(f"workers should be at least 1, but is {workers}")
    most = 2 * workers if ahead is None else ahead
    pool, waiting, source = ThreadPoolExecutor(workers), deque[Future[Result]](), iter(items)
    broken: Exception | None = None
    try:
        while broken is None:
            try:
                waiting.append(pool.submit(function, next(source)))
            except StopIteration:
                break
            except Exception as error:
                broken = error
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        if broken is not None:
            raise broken
    finally:  # even if the caller stops early
        pool.shutdown(cancel_futures=True)
