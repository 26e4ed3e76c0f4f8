"""Several images in a request: a record or an error for each, limits for all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from helpers.fake_model import red_dot
from votepose.predictor import Predictor
from votepose.server.app import create_app
from votepose.server.limits import Limits

URL = "/v1/batch"


def form(*files: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("file", file) for file in files]


def test_each_image_has_its_record_or_its_error(client: TestClient, predictor: Predictor, picture: bytes) -> None:
    files = form(("a/one.png", picture), ("notes.txt", b"no image"), ("none.png", b""), ("two.png", picture))
    answer = client.post(f"{URL}?score_threshold=0.6", files=files)
    assert answer.status_code == 200
    first, second, third, fourth = answer.json()["results"]
    model = predictor(picture, score_threshold=0.6)
    assert (first, fourth) == (model.to_record("one.png"), model.to_record("two.png"))
    assert (second["image"], second["status"]) == ("notes.txt", 415)
    assert second["detail"].startswith("this is not an image")
    assert third == {"image": "none.png", "status": 400, "detail": "the image is empty"}
    assert "decode;dur=" in answer.headers["server-timing"]


def test_a_batch_of_one(client: TestClient, picture: bytes) -> None:
    assert len(client.post(URL, files=form(("a.png", picture))).json()["results"]) == 1


def test_several_images_for_one_are_sent_here(client: TestClient, picture: bytes) -> None:
    answer = client.post("/v1/poses", files=form(*[("a.png", picture)] * 2))
    assert (answer.status_code, answer.json()["detail"]) == (400, "the form holds several files; /v1/batch takes them")


def test_limits_hold_for_all_together(
    predictor: Predictor, picture: bytes, encoded: Callable[..., bytes], client: TestClient
) -> None:
    small = TestClient(create_app(predictor, Limits(max_bytes=3 * len(picture), max_batch=4)))
    assert small.post(URL, files=form(*[("a.png", picture)] * 3)).status_code == 200
    large = small.post(URL, files=form(*[("a.png", picture)] * 4))
    assert (large.status_code, large.json()["detail"][:32]) == (413, "the images together are over the")
    many = small.post(URL, files=form(*[("a.png", b"")] * 5))
    assert (many.status_code, many.json()["detail"]) == (413, "the form holds more than 4 images; send fewer at a time")
    wide = encoded(red_dot(500, 300, 80, 40, 16))
    (entry,) = client.post(URL, files=form(("w.png", wide))).json()["results"]
    assert entry["status"] == 413


@pytest.mark.parametrize(
    ("query", "options", "status", "part"),
    [
        ("", {"content": b"image"}, 415, "a batch is a multipart form"),
        ("", {"files": {"file": (None, b"text")}}, 400, "the form holds no file"),
        ("?format=png", {"files": form(("a.png", b"x"))}, 422, "format: no such option"),
        ("?model=slow", {"files": form(("a.png", b"x"))}, 422, "no such model"),
        ("?input_size=33", {"files": form(("a.png", b"x"))}, 422, "input_size"),
        ("", {"files": [*form(("a.png", b"x")), ("score", (None, b"1"))]}, 422, "score: no such form field"),
    ],
)
def test_wrong_requests_are_one_line(client: TestClient, query: str, options: dict, status: int, part: str) -> None:
    answer = client.post(URL + query, **options)
    assert (answer.status_code, part in answer.json()["detail"]) == (status, True), answer.text


def test_it_is_documented(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    route = schema["paths"][URL]["post"]
    assert [parameter["name"] for parameter in route["parameters"]] == [
        "model",
        "input_size",
        "presence_threshold",
        "score_threshold",
    ]
    assert route["responses"]["200"]["content"]["application/json"]["example"]["results"][1]["status"] == 415
    assert client.get("/v1/model").json()["max_batch"] == 32
