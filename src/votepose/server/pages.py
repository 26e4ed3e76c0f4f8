"""The pages, read into memory when the server starts: no path from outside is ever looked for on the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from swagger_ui_bundle import swagger_ui_path

_FOLDER = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_PAGES = {"index.html": "/", "docs.html": "/docs"}
_SWAGGER = ("swagger-ui.css", "swagger-ui-bundle.js")


def add_pages(app: FastAPI) -> None:
    """Give `app` the page at /, the API's documentation at /docs, and what these two load, under /static/."""
    swagger = Path(str(swagger_ui_path))
    files = [*sorted(path for path in _FOLDER.iterdir() if path.suffix in _TYPES), *(swagger / n for n in _SWAGGER)]
    for path in files:
        url = _PAGES.get(path.name, f"/static/{path.name}")
        app.add_api_route(url, _page(path), methods=["GET", "HEAD"], include_in_schema=False)


def _page(path: Path) -> Callable[[Request], Awaitable[Response]]:
    content = path.read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}  # ask, then take the copy you have

    async def get(request: Request) -> Response:
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=_TYPES[path.suffix], headers=headers)

    return get
