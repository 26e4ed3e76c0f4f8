"""The server: `create_app` combines routes, web page, API keys, logs and health checks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from swagger_ui_bundle import swagger_ui_path

import votepose
from votepose.predictor import Predictor
from votepose.server.access_log import log_exchange
from votepose.server.admission import AdmissionQueue
from votepose.server.cors import OtherOrigins, check_origins
from votepose.server.errors import CutOff, add_error_handlers
from votepose.server.exchange import Measured
from votepose.server.headers import SafeHeaders
from votepose.server.keys import KeyCheck
from votepose.server.limits import Limits
from votepose.server.metrics import CONTENT_TYPE, Metrics
from votepose.server.models import Loader, Models
from votepose.server.readiness import Readiness
from votepose.server.routes import BATCH, POSES, add_poses
from votepose.server.service import Service
from votepose.server.strictness import check_query
from votepose.visualization.draw import PALETTE


def create_app(
    predictor: Predictor,
    limits: Limits | None = None,
    origins: Sequence[str] = (),
    others: Mapping[str, Predictor | Loader] | None = None,
    keys: Sequence[str] = (),
    access_log: logging.Logger | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> FastAPI:
    """Create the ASGI application.

    Args:
        predictor: finds the poses; its input size and thresholds are the defaults of a request.
        limits: None for `Limits()`.
        origins: other origins whose pages may use the server, such as https://app.example; * for any.
        others: models that a request may choose, by name: predictors, or functions that load them on first use. The
            page uses `fast` for the webcam and videos, and `accurate` for images.
        keys: valid API keys; a request needs one, except for the page, /healthz and /readyz. Empty for no check.
        access_log: logger for one line per request, see `open_access_log`.
        stopping: returns whether the server is stopping; /readyz says so.

    Raises:
        VoteposeError: if an origin is invalid.
    """
    check_origins(origins)
    limits = limits or Limits()
    queue = AdmissionQueue(limits.workers, limits.queue, limits.timeout)
    metrics, readiness = Metrics(queue.slots, lambda: queue.taken, (POSES, BATCH)), Readiness(queue, stopping)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        warming = asyncio.create_task(readiness.warm_up(predictor))
        yield
        await warming
        await asyncio.to_thread(queue.close)  # meanwhile, requests that were cut off are answered

    app = FastAPI(
        title="votepose",
        version=votepose.__version__,
        description=(votepose.__doc__ or "").partition("\n")[0],
        license_info={"name": "Apache-2.0"},
        docs_url=None,  # FastAPI's page loads files from other hosts
        redoc_url=None,
        lifespan=lifespan,
    )
    app.openapi_version = "3.0.3"  # the version that the bundled Swagger UI reads
    app.add_middleware(CutOff)
    app.add_middleware(OtherOrigins, origins=tuple(origins))
    app.add_middleware(SafeHeaders)
    reports = [metrics.count]
    if access_log:
        reports.append(partial(log_exchange, access_log))
    app.add_middleware(Measured, reports=reports)  # added last, so called first
    add_error_handlers(app)
    models = Models(predictor, others or {})
    guard = [Depends(KeyCheck(keys, limits))] if keys else []
    add_poses(app, Service(models, limits, queue, metrics), guard)
    _add_about(app, models, limits, metrics, guard)
    _add_health(app, readiness)
    _add_page(app)
    return app


def _add_about(app: FastAPI, models: Models, limits: Limits, metrics: Metrics, guard: list[Any]) -> None:
    predictor, skeleton = models.default, models.default.skeleton
    about: dict[str, Any] = {
        "version": votepose.__version__,
        "preset": predictor.metadata.get("preset"),
        "input_size": predictor.input_size,
        "presence_threshold": predictor.presence_threshold,
        "score_threshold": predictor.score_threshold,
        "max_input_size": max(limits.max_input_size, predictor.input_size),
        "max_bytes": limits.max_bytes,
        "max_batch": limits.max_batch,
        "max_pixels": limits.max_pixels,
        "keypoints": list(skeleton.names),
        "links": [list(link) for link in skeleton.links],
        "sides": skeleton.sides.tolist(),
        "palette": PALETTE.astype(int).tolist(),
    }

    @app.get("/v1/model", tags=["about"], summary="The model, its defaults and the server's limits", dependencies=guard)
    async def model(request: Request) -> dict[str, Any]:
        check_query(request.query_params, ())
        return about | {"models": models.about()}

    @app.get(
        "/metrics",
        tags=["about"],
        summary="Metrics for Prometheus",
        dependencies=guard,
        response_class=PlainTextResponse,
    )
    async def prometheus() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)


def _add_health(app: FastAPI, readiness: Readiness) -> None:
    @app.get("/healthz", tags=["about"], summary="Health status")
    async def healthz() -> dict[str, str]:
        return {"status": "ok", "version": votepose.__version__}

    unready: dict[int | str, dict[str, Any]] = {503: {"description": "Starting, overloaded or stopping"}}

    @app.get("/readyz", tags=["about"], summary="Readiness for requests; 503 if not ready", responses=unready)
    async def readyz() -> JSONResponse:
        return JSONResponse({"status": readiness.state}, 200 if readiness.state == "ready" else 503)


def _add_page(app: FastAPI) -> None:
    """Add the web page at /, the API documentation at /docs, and their files under /static/."""
    files = StaticFiles(directory=Path(__file__).parent / "page")
    app.mount("/static/swagger", StaticFiles(directory=swagger_ui_path))
    app.mount("/static", files)
    for path, name in (("/", "index.html"), ("/docs", "docs.html")):

        async def page(request: Request, name: str = name) -> Response:
            return await files.get_response(name, request.scope)

        app.add_route(path, page, include_in_schema=False)
