"""A threaded map that keeps the order and holds only a few items at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from votepose.errors import VoteposeError

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Like `map`, with `workers` calls at a time; reads at most 2 `workers` items ahead of the last result.

    Raises:
        VoteposeError: if `workers` is not positive. An exception in a call is raised in place of its result.
    """
    if workers < 1:
        raise VoteposeError(f"workers should be at least 1, but is {workers}")
    pool, waiting = ThreadPoolExecutor(workers), deque[Future[Result]]()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # even if the caller stops early
        pool.shutdown(cancel_futures=True)
