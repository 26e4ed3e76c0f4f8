"""A few worker threads and a bounded number of places before them.

A request takes a place before its upload is read, so memory is bounded by places x bytes. The place is given back when
the answer is ready, or the client has gone, or time is up; where a thread still works on it, when that thread ends.
Nobody is let in whose turn would come too late: a queue of requests that all run out of time would yield nothing.
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

from votepose.server.limits import Refusal

T = TypeVar("T")
_SHARE = 0.7  # of the time limit that the queue may be expected to take: work takes longer at times


class Desk:
    """Where requests take their places. Its methods are for one event loop's thread; `work` runs in others.

    Args:
        workers: threads.
        queue: places beside those of the workers.
        timeout: seconds in which a request should have its answer.
    """

    def __init__(self, workers: int, queue: int, timeout: float) -> None:
        self.workers, self.places, self.timeout, self.taken = workers, workers + queue, timeout, 0
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="votepose")
        self._seconds = 0.2  # that work takes, a running mean; the start is a guess

    @contextmanager
    def place(self) -> Iterator[Place]:
        """A place, for as long as the block lasts.

        Raises:
            Refusal: 503 if all are taken, or so many that time would run out; Retry-After tells when to try again.
        """
        seconds = (self.taken + 1) * self._seconds / self.workers
        late = self.taken >= self.workers and seconds > _SHARE * self.timeout
        if late or self.taken >= self.places:
            wait = min(60, max(1, math.ceil(seconds)))
            raise Refusal(503, f"the server is busy; try again in {wait} s", {"Retry-After": str(wait)})
        self.taken += 1
        place = Place(self)
        try:
            yield place
        finally:
            place.leave()

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
        """One place less is taken."""
        self.taken -= 1

    def close(self) -> None:
        """Wait for the threads; what still waits in the queue is dropped."""
        self._executor.shutdown(wait=True, cancel_futures=True)


class Place:
    """One request's place at the desk; `Desk.place` makes it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._stop = threading.Event()
        self._future: Future | None = None

    async def run(self, work: Callable[[threading.Event], T], gone: asyncio.Future) -> T:
        """What `work` returns, computed in a thread.

        Args:
            work: is given an event; once that is set nobody waits for the result.
            gone: done when the client has gone away.

        Raises:
            Refusal: 504 if time is up, 499 (which nobody reads) if the client has gone.
        """
        self._future = self._desk.submit(work, self._stop)
        result = asyncio.wrap_future(self._future)
        done, _ = await asyncio.wait((result, gone), timeout=self._desk.timeout, return_when=asyncio.FIRST_COMPLETED)
        if result in done:
            return result.result()
        result.add_done_callback(lambda future: future.cancelled() or future.exception())  # nobody waits for it now
        if gone in done:
            raise Refusal(499, "the client has gone away")
        raise Refusal(
            504, f"no answer within the time limit of {self._desk.timeout:g} s; send a smaller picture or try later"
        )

    def leave(self) -> None:
        """Give the place back, as soon as no thread works for it."""
        self._stop.set()
        if self._future is None or self._future.cancel() or self._future.done():
            self._desk.free()
        else:
            loop = asyncio.get_running_loop()
            self._future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._desk.free))
