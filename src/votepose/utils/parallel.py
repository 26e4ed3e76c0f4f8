"""A map over threads that keeps the order and never holds more than a few items: for any number of images."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from votepose.errors import VoteposeError

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """`map`, but `workers` calls run at a time; takes at most 2 `workers` items ahead of what has been handed out.

    Raises:
        VoteposeError: if `workers` is not positive. What a call raises is raised when its item's turn comes.
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
    finally:  # also when the caller stops listening
        pool.shutdown(cancel_futures=True)
