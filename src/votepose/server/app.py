"""The server: `create_app` puts desk, intake, answers, pages and metrics together; `poses` follows one request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Query
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

import votepose
from votepose.letterbox import MULTIPLE
from votepose.predictor import Predictor
from votepose.server.admission import Desk
from votepose.server.handler import Answer, Format, Options, answer, choose_format
from votepose.server.headers import SafeHeaders
from votepose.server.limits import Limits, Refusal
from votepose.server.metrics import CONTENT_TYPE, Metrics
from votepose.server.pages import add_pages
from votepose.server.schema import BODY, responses
from votepose.server.upload import drain, receive
from votepose.visualization.draw import PALETTE


def create_app(predictor: Predictor, limits: Limits | None = None) -> FastAPI:
    """An ASGI application that answers with `predictor`'s poses.

    Args:
        predictor: its input size and thresholds hold where a request says nothing.
        limits: None for `Limits()`.
    """
    limits = limits or Limits()
    desk = Desk(limits.workers, limits.queue, limits.timeout)
    metrics = Metrics(desk.places, lambda: desk.taken)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        desk.close()

    app = FastAPI(
        title="votepose",
        version=votepose.__version__,
        description=votepose.__doc__ or "",
        license_info={"name": "Apache-2.0"},
        docs_url=None,  # ours loads nothing from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.openapi_version = "3.0.3"  # that the bundled Swagger UI reads
    app.add_middleware(SafeHeaders)
    _add_refusals(app)
    _add_poses(app, predictor, limits, desk, metrics)
    _add_about(app, predictor, limits, metrics)
    add_pages(app)
    return app


def _add_poses(app: FastAPI, predictor: Predictor, limits: Limits, desk: Desk, metrics: Metrics) -> None:
    size_text = "longest side of the network's input, in pixels; larger finds smaller people, slower"
    most = max(limits.max_input_size, predictor.input_size)
    size = Query(predictor.input_size, ge=MULTIPLE, le=most, multiple_of=MULTIPLE, description=size_text)
    presence_text = "how sure a cell must be that a keypoint lies on it, to vote"
    presence = Query(predictor.presence_threshold, ge=0, le=1, description=presence_text)
    score = Query(predictor.score_threshold, ge=0, le=1, description="people whose score is below it are left out")
    form_text = "of the answer: people as JSON, or drawn on the picture; without it the Accept header decides"
    form = Query(None, alias="format", description=form_text)
    scores_query = Query(False, description="write each person's score in the drawing")

    @app.post(
        "/v1/poses",
        tags=["poses"],
        summary="Find everybody's pose",
        responses=responses(),
        openapi_extra={"requestBody": BODY},
    )
    async def poses(
        request: Request,
        input_size: int = size,
        presence_threshold: float = presence,
        score_threshold: float = score,
        format: Format | None = form,
        scores: bool = scores_query,
    ) -> Response:
        """One picture in, a file in a multipart form or as the whole body; everybody in it out, best first."""
        started, status = time.perf_counter(), 500
        try:
            kind = format or choose_format(request.headers.get("accept", ""))
            options = Options(input_size, presence_threshold, score_threshold, kind, scores)
            found = await _serve(request, options, predictor, limits, desk)
            metrics.found(found.people, found.seconds)
            status = 200
            timing = ", ".join(f"{stage};dur={1000 * seconds:.1f}" for stage, seconds in found.seconds.items())
            return Response(found.body, media_type=found.media_type, headers={"Server-Timing": timing})
        except Refusal as refusal:
            status = refusal.status
            if status != 408:  # that client has had its time
                await drain(request, limits)
            raise
        except (ClientDisconnect, asyncio.CancelledError):
            status = 499  # nginx's number; nobody reads it but the metrics
            raise
        finally:
            metrics.answered(status, time.perf_counter() - started)


async def _serve(request: Request, options: Options, predictor: Predictor, limits: Limits, desk: Desk) -> Answer:
    with desk.place() as place:
        data, name = await receive(request, limits)
        gone = asyncio.ensure_future(_gone(request))
        try:
            return await place.run(lambda stop: answer(data, name, predictor, options, limits, stop), gone)
        finally:
            gone.cancel()


async def _gone(request: Request) -> None:
    """Returns when the client has gone away. For after the body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _add_about(app: FastAPI, predictor: Predictor, limits: Limits, metrics: Metrics) -> None:
    skeleton = predictor.skeleton
    about: dict[str, Any] = {
        "version": votepose.__version__,
        "preset": predictor.metadata.get("preset"),
        "input_size": predictor.input_size,
        "presence_threshold": predictor.presence_threshold,
        "score_threshold": predictor.score_threshold,
        "max_input_size": max(limits.max_input_size, predictor.input_size),
        "max_bytes": limits.max_bytes,
        "max_pixels": limits.max_pixels,
        "keypoints": list(skeleton.names),
        "links": [list(link) for link in skeleton.links],
        "sides": skeleton.sides.tolist(),
        "palette": PALETTE.astype(int).tolist(),
    }

    @app.get("/v1/model", tags=["about"], summary="The model, its defaults and the server's limits")
    async def model() -> dict[str, Any]:
        return about

    @app.get("/healthz", tags=["about"], summary="Is the server there?")
    async def healthz() -> dict[str, str]:
        return {"status": "ok", "version": votepose.__version__}

    @app.get("/metrics", tags=["about"], summary="For Prometheus")
    async def prometheus() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)


def _add_refusals(app: FastAPI) -> None:
    """Whatever goes wrong is answered in one line, `{"detail": "..."}`, and never with a traceback."""

    @app.exception_handler(Refusal)
    async def refusal(_: Request, error: Refusal) -> Response:
        return JSONResponse({"detail": error.detail}, error.status, error.headers)

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> Response:
        return JSONResponse({"detail": str(error.detail)}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        lines = [f"{'.'.join(map(str, problem['loc'][1:]))}: {problem['msg']}" for problem in error.errors()]
        return JSONResponse({"detail": "; ".join(lines)}, 422)

    @app.exception_handler(ClientDisconnect)
    async def disconnected(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=499)

    @app.exception_handler(Exception)
    async def unforeseen(_: Request, __: Exception) -> Response:
        return JSONResponse({"detail": "internal error; the server's log says more"}, 500)
