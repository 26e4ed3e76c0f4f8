"""Worker threads with a bounded queue.

A request takes a slot before its upload is read, so memory is bounded by slots x bytes. The slot is freed when the
answer is ready, the client has disconnected or the time is up, but not before a thread that works on it has ended. A
request is refused if its turn would come too late; otherwise, under overload, every request would time out.
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
_SHARE = 0.7  # share of the time limit that the expected wait may take, since some work takes longer than the mean


class AdmissionQueue:
    """Gives requests slots. Call its methods from the event loop's thread only; submitted work runs in other threads.

    Args:
        workers: number of threads.
        queue: number of slots in addition to the workers'.
        timeout: time limit of a request, in seconds.

    Attributes:
        slots: number of slots.
        taken: number of slots taken.
    """

    def __init__(self, workers: int, queue: int, timeout: float) -> None:
        self.workers, self.slots, self.timeout, self.taken = workers, workers + queue, timeout, 0
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="votepose")
        self._seconds = 0.2  # running mean per task, which starts with a guess

    @property
    def full(self) -> bool:
        """Whether a request would be refused now: no slot is free, or the wait would exceed the time limit."""
        late = self.taken >= self.workers and self._wait > _SHARE * self.timeout
        return late or self.taken >= self.slots

    @property
    def _wait(self) -> float:
        """Expected seconds until a request that arrives now is answered."""
        return (self.taken + 1) * self._seconds / self.workers

    @contextmanager
    def slot(self) -> Iterator[Slot]:
        """Hold a slot for the duration of the block.

        Raises:
            RequestError: 503 if no slot is free, or the wait would exceed the time limit; Retry-After says when to try
                again.
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
        """Queue `work(stop)` for execution in a thread."""

        def timed() -> T:
            started = time.perf_counter()
            try:
                return work(stop)
            finally:
                self._seconds += 0.1 * (time.perf_counter() - started - self._seconds)

        return self._executor.submit(timed)

    def free(self) -> None:
        """Release one slot."""
        self.taken -= 1

    def close(self) -> None:
        """Wait for the threads; drop work that is still queued."""
        self._executor.shutdown(wait=True, cancel_futures=True)


class Slot:
    """One request's slot, created by `AdmissionQueue.slot`."""

    def __init__(self, queue: AdmissionQueue) -> None:
        self._queue = queue
        self._stop = threading.Event()
        self._future: Future | None = None

    async def run(self, work: Callable[[threading.Event], T], gone: asyncio.Future) -> T:
        """The result of `work`, computed in a thread.

        Args:
            work: called with an event, which is set once the result is no longer needed.
            gone: done when the client has disconnected.

        Raises:
            RequestError: 504 if the time is up, 499 (which is never sent) if the client has disconnected.
        """
        self._future = self._queue.submit(work, self._stop)
        result = asyncio.wrap_future(self._future)
        # Its error is not logged if it is no longer awaited.
        result.add_done_callback(lambda future: future.cancelled() or future.exception())
        done, _ = await asyncio.wait((result, gone), timeout=self._queue.timeout, return_when=asyncio.FIRST_COMPLETED)
        if result in done:
            return result.result()
        if gone in done:
            raise RequestError(499, "the client has disconnected")
        limit = f"the time limit of {self._queue.timeout:g} s"
        raise RequestError(504, f"no result within {limit}; send a smaller image or try later")

    def leave(self) -> None:
        """Release the slot once no thread works on it."""
        self._stop.set()
        if self._future is None or self._future.cancel() or self._future.done():
            self._queue.free()
        else:
            loop = asyncio.get_running_loop()
            self._future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._queue.free))
