"""What the server does not know is refused with a line that says what there is, never ignored."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from helpers.fake_model import red_dot
from helpers.live import encode
from votepose.errors import VoteposeError
from votepose.predictor import Predictor
from votepose.server.app import create_app

URL = "/v1/poses"
PICTURE = encode(red_dot(192, 96, 80, 40, 16))


def detail(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    line = answer.json()["detail"]
    assert isinstance(line, str)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("threshold=0.85", ("threshold: no such option", "did you mean score_threshold?", "input_size")),
        ("Score_Threshold=0.85", ("Score_Threshold: no such option", "did you mean score_threshold?")),
        ("INPUT_SIZE=64", ("did you mean input_size?",)),
        ("input-size=64", ("did you mean input_size?",)),
        ("xyzzy", ("xyzzy: no such option; the options are input_size",)),
        ("=1", ("a name: no such option",)),
        ("%0a%00=1", ("a name: no such option",)),
        ("score_threshold=0.1&score_threshold=0.9", ("score_threshold: given 2 times",)),
        ("format=PNG", ("format should be 'json', 'png' or 'jpeg', but is PNG",)),
        ("scores=true", ("scores: only affects drawings",)),
        ("input_size=banana", ("input_size should be a valid integer, but is banana",)),
        ("score_threshold=", ("score_threshold should be a valid number, but is empty",)),
    ],
)
def test_queries(client: TestClient, query: str, parts: tuple[str, ...]) -> None:
    line = detail(client.post(f"{URL}?{query}", content=PICTURE), 422)
    for part in parts:
        assert part in line


def test_other_routes_of_the_api_take_no_options(client: TestClient) -> None:
    assert detail(client.get("/v1/model?verbose=1"), 422) == "verbose: no such option; there are no options"


@pytest.mark.parametrize(
    ("field", "part"),
    [
        ("score_threshold", "options belong in the URL, as in /v1/poses?score_threshold=..."),
        ("threshold", "threshold: no such form field"),
        (" ", "no such form field"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_form_fields(client: TestClient, field: str, part: str, first: bool) -> None:
    parts: list[Any] = [(field, (None, "0.85")), ("file", ("a.png", PICTURE))]
    assert part in detail(client.post(URL, files=parts if first else parts[::-1]), 422)


TEXT = base64.b64encode(PICTURE)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (json.dumps({"image": TEXT.decode()}).encode(), "this is JSON, not an image: send the file's bytes"),
        (b' [{"image": ""}]', "this is JSON"),
        (b'"' + TEXT + b'"', "this is JSON"),
        (TEXT, "this is base64 text"),
        (b"data:image/png;base64," + TEXT, "this is base64 text"),
        (b"image=" + TEXT, "this is a URL-encoded form"),
        (b"\0\0\0\x20ftypisom", "this is a video"),
    ],
)
def test_bodies_that_are_no_picture_are_answered_with_how_to_send_one(
    client: TestClient, body: bytes, part: str
) -> None:
    assert part in detail(client.post(URL, content=body, headers={"content-type": "application/json"}), 415)


def preflight(client: TestClient, origin: str, method: str = "POST") -> Any:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    return client.options(URL, headers=asked | {"Access-Control-Request-Headers": "content-type"})


def test_pages_of_other_origins_need_an_option(client: TestClient, predictor: Predictor) -> None:
    page = "https://app.example"
    assert f"--cors {page}" in detail(preflight(client, page), 403)
    assert "access-control-allow-origin" not in client.post(URL, content=PICTURE, headers={"Origin": page}).headers
    with TestClient(create_app(predictor, origins=[page])) as open_client:
        answer = preflight(open_client, page)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, page)
        assert answer.headers["x-content-type-options"] == "nosniff"
        found = open_client.post(URL, content=PICTURE, headers={"Origin": page})
        assert found.headers["access-control-allow-origin"] == page
        assert "Server-Timing" in found.headers["access-control-expose-headers"]
        refused = open_client.post(f"{URL}?x=1", content=PICTURE, headers={"Origin": page})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (422, page)
        assert "other.example" in detail(preflight(open_client, "https://other.example"), 403)
        assert "only GET and POST" in detail(preflight(open_client, page, "DELETE"), 403)
    with TestClient(create_app(predictor, origins=["*"])) as for_all:
        assert preflight(for_all, "null").status_code == 200


@pytest.mark.parametrize("origin", ["app.example", "https://app.example/", "https://app.example/page", "ftp://a", ""])
def test_what_is_no_origin_is_refused_at_the_start(predictor: Predictor, origin: str) -> None:
    with pytest.raises(VoteposeError, match="is not an origin"):
        create_app(predictor, origins=[origin])
