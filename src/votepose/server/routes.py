"""The routes /v1/poses, for one image, and /v1/batch, for several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fastapi import Depends, FastAPI, Query
from starlette.requests import Request
from starlette.responses import Response

from votepose.letterbox import MULTIPLE
from votepose.server.handler import Format, Options, handle, handle_batch
from votepose.server.schema import BATCH_BODY, BODY, batch_responses, responses
from votepose.server.service import Service
from votepose.server.strictness import BATCH_OPTIONS, OPTIONS
from votepose.server.upload import receive, receive_batch

POSES, BATCH = "/v1/poses", "/v1/batch"


def add_poses(app: FastAPI, service: Service, guard: list[Any]) -> None:
    """Add the routes; `guard` are dependencies that may refuse a request."""
    names = service.models.names
    name_text = f"one of {names}" if names else "this server has one model only"
    # None if it is left out, but declared as str: OpenAPI 3.0 knows no type null
    named = Query(None, description=f"model to use: {name_text}")
    given = Depends(_options(service))
    form = Query("json", description="format of the response: the people as JSON, or drawn on the image")
    scores_query = Query(False, description="show each person's score in the drawing")

    @app.post(
        POSES,
        tags=["poses"],
        summary="Find every person's pose",
        responses=responses(),
        openapi_extra={"requestBody": BODY},
        dependencies=guard,
    )
    async def poses(
        request: Request,
        options: Options = given,
        format: Format = form,
        scores: bool = scores_query,
        model: str = named,
    ) -> Response:
        """Send one image, as a file in a multipart form or as the whole body. Returns its people, best first."""
        options = replace(options, form=format, scores=scores)
        return await service.answer(request, OPTIONS, model, options, receive, handle)

    @app.post(
        BATCH,
        tags=["poses"],
        summary="Find every person's pose in several images",
        responses=batch_responses(),
        openapi_extra={"requestBody": BATCH_BODY},
        dependencies=guard,
    )
    async def batch(request: Request, options: Options = given, model: str = named) -> Response:
        """Send images as files in a multipart form. Returns the people or an error for each, in order.

        The limits of bytes and time apply to all of them together, and they use one worker.
        """
        return await service.answer(request, BATCH_OPTIONS, model, options, receive_batch, handle_batch)


def _options(service: Service) -> Callable[..., Options]:
    """A dependency that returns a request's options; those left out are None, the model's default."""
    predictor = service.models.default
    size_text = "longest side of the network's input, in pixels; larger is slower and finds smaller people"
    most = max(service.limits.max_input_size, predictor.input_size)
    size = Query(predictor.input_size, ge=MULTIPLE, le=most, multiple_of=MULTIPLE, description=size_text)
    presence_text = "minimum presence, the probability of a keypoint, for a cell to vote"
    presence = Query(predictor.presence_threshold, ge=0, le=1, description=presence_text)
    score = Query(predictor.score_threshold, ge=0, le=1, description="people with a lower score are left out")

    def options(
        request: Request,
        input_size: int = size,
        presence_threshold: float = presence,
        score_threshold: float = score,
    ) -> Options:
        given = request.query_params
        return Options(
            input_size if "input_size" in given else None,
            presence_threshold if "presence_threshold" in given else None,
            score_threshold if "score_threshold" in given else None,
        )

    return options
