"""Tells whether the server is ready for requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import numpy as np

from votepose.predictor import Predictor
from votepose.server.admission import AdmissionQueue


class Readiness:
    """Ready after the model has run once, while there is a free slot, and until the server stops.

    Args:
        queue: the queue of the server.
        stopping: returns whether the server is stopping.
    """

    def __init__(self, queue: AdmissionQueue, stopping: Callable[[], bool]) -> None:
        self._queue, self._stopping, self._answered = queue, stopping, False

    async def warm_up(self, predictor: Predictor) -> None:
        """Run the model once, in a thread; a failure is logged, and the server stays unready."""
        try:
            await asyncio.to_thread(predictor, np.zeros((480, 640, 3), np.uint8))
        except Exception:
            logging.getLogger("votepose.server").exception("the model failed at the start")
        else:
            self._answered = True

    @property
    def state(self) -> str:
        """ready, starting, overloaded or stopping."""
        if self._stopping():
            return "stopping"
        if not self._answered:
            return "starting"
        return "overloaded" if self._queue.full else "ready"
