"""The server: `create_app` joins queue, upload, handler, page and metrics; `poses` answers one request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Query
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from swagger_ui_bundle import swagger_ui_path

import votepose
from votepose.letterbox import MULTIPLE
from votepose.predictor import Predictor
from votepose.server.admission import AdmissionQueue
from votepose.server.cors import OtherOrigins, check_origins
from votepose.server.errors import RequestError, add_error_handlers
from votepose.server.handler import Answer, Format, Options, handle
from votepose.server.headers import SafeHeaders
from votepose.server.limits import Limits
from votepose.server.metrics import CONTENT_TYPE, Metrics
from votepose.server.models import Loader, Models, OnDemand
from votepose.server.schema import BODY, responses
from votepose.server.strictness import OPTIONS, check_query
from votepose.server.upload import drain, receive
from votepose.visualization.draw import PALETTE


def create_app(
    predictor: Predictor,
    limits: Limits | None = None,
    origins: Sequence[str] = (),
    others: Mapping[str, Predictor | Loader] | None = None,
) -> FastAPI:
    """An ASGI application that answers with `predictor`'s poses.

    Args:
        predictor: its input size and thresholds are the defaults of a request.
        limits: None for `Limits()`.
        origins: of pages, other than the server's own, that may use it, such as https://app.example; * for any.
        others: what a request may name as its `model`: by name, predictors or functions that load them at first use.
            The page uses `fast` for the webcam and videos, and `accurate` for images.

    Raises:
        VoteposeError: if an origin is none.
    """
    check_origins(origins)
    limits = limits or Limits()
    queue = AdmissionQueue(limits.workers, limits.queue, limits.timeout)
    metrics = Metrics(queue.slots, lambda: queue.taken)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        queue.close()

    app = FastAPI(
        title="votepose",
        version=votepose.__version__,
        description=votepose.__doc__ or "",
        license_info={"name": "Apache-2.0"},
        docs_url=None,  # ours loads nothing from other hosts
        redoc_url=None,
        lifespan=lifespan,
    )
    app.openapi_version = "3.0.3"  # the version that the bundled Swagger UI reads
    app.add_middleware(OtherOrigins, origins=tuple(origins))
    app.add_middleware(SafeHeaders)
    add_error_handlers(app)
    models = Models(predictor, others or {})
    _add_poses(app, models, limits, queue, metrics)
    _add_about(app, models, limits, metrics)
    _add_page(app)
    return app


def _add_poses(app: FastAPI, models: Models, limits: Limits, queue: AdmissionQueue, metrics: Metrics) -> None:
    predictor = models.default
    name_text = f"one of {models.names}" if models.names else "this server has one model only"
    named = Query(None, description=f"which model finds the people: {name_text}")
    size_text = "longest side of the network's input, in pixels; larger finds smaller people, more slowly"
    most = max(limits.max_input_size, predictor.input_size)
    size = Query(predictor.input_size, ge=MULTIPLE, le=most, multiple_of=MULTIPLE, description=size_text)
    presence_text = "a cell votes if it holds a keypoint with at least this probability"
    presence = Query(predictor.presence_threshold, ge=0, le=1, description=presence_text)
    score = Query(predictor.score_threshold, ge=0, le=1, description="people with a lower score are left out")
    form = Query("json", description="of the answer: the people as JSON, or drawn on the image")
    scores_query = Query(False, description="write each person's score in the drawing")

    @app.post(
        "/v1/poses",
        tags=["poses"],
        summary="Find every person's pose",
        responses=responses(),
        openapi_extra={"requestBody": BODY},
    )
    async def poses(
        request: Request,
        input_size: int = size,
        presence_threshold: float = presence,
        score_threshold: float = score,
        format: Format = form,
        scores: bool = scores_query,
        model: str | None = named,
    ) -> Response:
        """One image, as a file in a multipart form or as the whole body; its people, best first."""
        started, status = time.perf_counter(), 500
        try:
            check_query(request.query_params, OPTIONS)
            if scores and format == "json":
                raise RequestError(422, "scores: is for drawings, so it needs format=png or format=jpeg")
            given = request.query_params  # what is not given is the model's own
            options = Options(
                input_size if "input_size" in given else None,
                presence_threshold if "presence_threshold" in given else None,
                score_threshold if "score_threshold" in given else None,
                format,
                scores,
            )
            answer = await _serve(request, options, models.named(model), limits, queue)
            metrics.found(answer.people, answer.seconds)
            status = 200
            timing = ", ".join(f"{stage};dur={1000 * seconds:.1f}" for stage, seconds in answer.seconds.items())
            return Response(answer.body, media_type=answer.media_type, headers={"Server-Timing": timing})
        except RequestError as error:
            status = error.status
            if status != 408:  # that client was slow already
                await drain(request, limits)
            raise
        except (ClientDisconnect, asyncio.CancelledError):
            status = 499  # nginx's number, for the metrics only
            raise
        finally:
            metrics.answered(status, time.perf_counter() - started)


async def _serve(request: Request, options: Options, model: OnDemand, limits: Limits, queue: AdmissionQueue) -> Answer:
    with queue.slot() as slot:
        data, name = await receive(request, limits)
        gone = asyncio.ensure_future(_gone(request))
        try:
            return await slot.run(lambda stop: handle(data, name, model, options, limits, stop), gone)
        finally:
            gone.cancel()


async def _gone(request: Request) -> None:
    """Returns when the client has disconnected. To be called after the body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _add_about(app: FastAPI, models: Models, limits: Limits, metrics: Metrics) -> None:
    predictor, skeleton = models.default, models.default.skeleton
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
    async def model(request: Request) -> dict[str, Any]:
        check_query(request.query_params, ())
        return about | {"models": models.about()}

    @app.get("/healthz", tags=["about"], summary="Is the server running?")
    async def healthz() -> dict[str, str]:
        return {"status": "ok", "version": votepose.__version__}

    @app.get("/metrics", tags=["about"], summary="Metrics for Prometheus")
    async def prometheus() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)


def _add_page(app: FastAPI) -> None:
    """The page at /, the API's documentation at /docs, and the files that both load, under /static/."""
    files = StaticFiles(directory=Path(__file__).parent / "page")
    app.mount("/static/swagger", StaticFiles(directory=swagger_ui_path))
    app.mount("/static", files)
    for path, name in (("/", "index.html"), ("/docs", "docs.html")):

        async def page(request: Request, name: str = name) -> Response:
            return await files.get_response(name, request.scope)

        app.add_route(path, page, include_in_schema=False)
