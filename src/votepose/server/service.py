"""Handles a request for poses: options, slot, upload, work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from votepose.predictor import Predictor
from votepose.server.admission import AdmissionQueue
from votepose.server.errors import RequestError
from votepose.server.handler import Answer, Options
from votepose.server.limits import Limits
from votepose.server.metrics import Metrics
from votepose.server.models import Models, OnDemand
from votepose.server.strictness import check_query
from votepose.server.upload import drain

Upload = TypeVar("Upload")
Receive = Callable[[Request, Limits], Awaitable[Upload]]
Handle = Callable[[Upload, Callable[[], Predictor], Options, Limits, threading.Event], Answer]


@dataclass(frozen=True)
class Service:
    """Answers requests for poses."""

    models: Models
    limits: Limits
    queue: AdmissionQueue
    metrics: Metrics

    async def answer(
        self,
        request: Request,
        known: Sequence[str],
        model: str | None,
        options: Options,
        receive: Receive[Upload],
        handle: Handle[Upload],
    ) -> Response:
        """Answer a request.

        Args:
            known: options allowed in the query. model: name of one of `models`.
            receive: reads the upload. handle: processes it in a worker thread.

        Raises:
            RequestError: if the request is refused.
        """
        try:
            check_query(request.query_params, known)
            if options.scores and options.form == "json":
                raise RequestError(422, "scores: only affects drawings; use format=png or format=jpeg")
            answer = await self._work(request, self.models.named(model), options, receive, handle)
        except RequestError as error:
            if error.status != 408:  # a client that timed out would be slow again
                await drain(request, self.limits)
            raise
        self.metrics.found(answer.people, answer.seconds)
        request.state.people = answer.people  # for the access log
        timing = ", ".join(f"{stage};dur={1000 * seconds:.1f}" for stage, seconds in answer.seconds.items())
        return Response(answer.body, media_type=answer.media_type, headers={"Server-Timing": timing})

    async def _work(
        self, request: Request, model: OnDemand, options: Options, receive: Receive[Upload], handle: Handle[Upload]
    ) -> Answer:
        with self.queue.slot() as slot:
            upload = await receive(request, self.limits)
            gone = asyncio.ensure_future(_gone(request))
            try:
                return await slot.run(lambda stop: handle(upload, model, options, self.limits, stop), gone)
            finally:
                gone.cancel()


async def _gone(request: Request) -> None:
    """Wait until the client disconnects. Call it after reading the body."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
