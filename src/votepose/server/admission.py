"""A few worker threads and a bounded queue in front of them.

A request takes a slot before its upload is read, so memory is bounded by slots x bytes. The slot is freed when the
answer is ready, the client has disconnected or the time is up; if a thread still works for it then, when that thread
ends. A request is refused if its turn would come too late: otherwise, under overload, every request would time out.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from votepose.server.errors import RequestError

T = TypeVar("T")
_SHARE = 0.7  # of the time limit, for the expected wait in the queue: some work takes longer than the mean


class AdmissionQueue:
    """Hands out slots to requests. Its methods belong to one event loop's thread; submitted work runs in others.

    Args:
        workers: threads.
        queue: slots beside those of the workers.
        timeout: seconds in which a request should have its answer.

    Attributes:
        slots: how many there are.
        taken: how many are taken.
    """

    def __init__(self, workers: int, queue: int, timeout: float) -> None:
        self.workers, self.slots, self.timeout, self.taken = workers, workers + queue, timeout, 0
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="votepose")
        self._seconds = 0.2  # per piece of work: a running mean, which starts with a guess

    @property
    def full(self) -> bool:
        """Whether a request would be refused now: all slots are taken, or so many that its time would run out."""
        late = self.taken >= self.workers and self._wait > _SHARE * self.timeout
        return late or self.taken >= self.slots

    @property
    def _wait(self) -> float:
        """Seconds after which a request that comes now can expect its answer."""
        return (self.taken + 1) * self._seconds / self.workers

    @contextmanager
    def slot(self) -> Iterator[Slot]:
        """A slot, for as long as the block lasts.

        Raises:
            RequestError: 503 if all are taken, or so many that the time would run out; its Retry-After says when to
                try again.
        """
        if self.full:
            wait = min(60, max(1, math.ceil(self._wait)))
            raise RequestError(503, f"the server is busy; try again in {wait} s", {"Retry-After": str(wait)})
        self.taken += 1
        slot = Slot(self)
        try:
            yield slot
        finally:
            slot.leave()

    def submit(self, work: Callable[[threading.Event], T], stop: threading.Event) -> Future[T]:
        """Queue `work(stop)` for a thread."""

        def timed() -> T:
            started = time.perf_counter()
            try:
                return work(stop)
            finally:
                self._seconds += 0.1 * (time.perf_counter() - started - self._seconds)

        return self._executor.submit(timed)

    def free(self) -> None:
        """Give one slot back."""
        self.taken -= 1

    def close(self) -> None:
        """Wait for the threads; work that is still queued is dropped."""
        self._executor.shutdown(wait=True, cancel_futures=True)


class Slot:
    """One request's slot; made by `AdmissionQueue.slot`."""

    def __init__(self, queue: AdmissionQueue) -> None:
        self._queue = queue
        self._stop = threading.Event()
        self._future: Future | None = None

    async def run(self, work: Callable[[threading.Event], T], gone: asyncio.Future) -> T:
        """The result of `work`, computed in a thread.

        Args:
            work: is given an event, which is set once the result is no longer wanted.
            gone: done when the client has disconnected.

        Raises:
            RequestError: 504 if the time is up, 499 (which is never sent) if the client has disconnected.
        """
        self._future = self._queue.submit(work, self._stop)
        result = asyncio.wrap_future(self._future)
        done, _ = await asyncio.wait((result, gone), timeout=self._queue.timeout, return_when=asyncio.FIRST_COMPLETED)
        if result in done:
            return result.result()
        result.add_done_callback(lambda future: future.cancelled() or future.exception())  # not awaited any more
        if gone in done:
            raise RequestError(499, "the client has disconnected")
        limit = f"the time limit of {self._queue.timeout:g} s"
        raise RequestError(504, f"no answer within {limit}; send a smaller image or try later")

    def leave(self) -> None:
        """Give the slot back, as soon as no thread works for it."""
        self._stop.set()
        if self._future is None or self._future.cancel() or self._future.done():
            self._queue.free()
        else:
            loop = asyncio.get_running_loop()
            self._future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._queue.free))
