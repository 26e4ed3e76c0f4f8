"""The API: right answers, what it says in one line when it says no, and headers that keep browsers from mischief."""

from __future__ import annotations

import io
import json
import struct
import sys
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from helpers.fake_model import red_dot
from helpers.heic import HEIC_DOT
from votepose.errors import VoteposeError
from votepose.predictor import Predictor
from votepose.server.app import create_app
from votepose.server.limits import Limits

URL = "/v1/poses"


def detail(response, status: int) -> str:
    """The one line of a refusal."""
    assert response.status_code == status, response.text
    line = response.json()["detail"]
    assert isinstance(line, str)
    assert line
    assert "\n" not in line
    assert "Traceback" not in line
    return line


def test_answer_is_the_record_that_predict_writes(client: TestClient, predictor: Predictor, picture: bytes) -> None:
    expected = predictor(picture).to_record("dot.png")
    form = client.post(URL, files={"file": ("dot.png", picture, "image/png")})
    assert form.status_code == 200
    assert form.json() == expected
    assert len(expected["people"]) == 2
    raw = client.post(URL, content=picture, headers={"content-type": "image/png"})
    assert raw.json() == expected | {"image": None}
    assert {part.split(";")[0] for part in raw.headers["server-timing"].split(", ")} == {"decode", "predict"}


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/json", "", "image/gif", "x"])
def test_bytes_not_the_content_type_say_what_a_picture_is(client: TestClient, picture: bytes, kind: str) -> None:
    assert client.post(URL, content=picture, headers={"content-type": kind}).status_code == 200


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("../../etc/passwd", "passwd"), (r"C:\a\b.png", "b.png"), ("/", None), ("a\u202eb", "ab"), ("n" * 300, "n" * 255)],
)
def test_file_name_is_a_label(client: TestClient, picture: bytes, sent: str, kept: str | None) -> None:
    assert client.post(URL, files={"file": (sent, picture)}).json()["image"] == kept


def test_options_hold_for_one_request(client: TestClient, predictor: Predictor, picture: bytes) -> None:
    strict = client.post(URL, params={"score_threshold": 0.6}, content=picture).json()
    assert len(strict["people"]) == 1
    presence = client.post(URL, params={"presence_threshold": 0.25}, content=picture).json()
    assert presence["people"][0]["keypoints"]["nose"]["confidence"] == 0.25  # the fake model gives it back
    assert client.post(URL, params={"input_size": 128}, content=picture).status_code == 200
    assert client.post(URL, content=picture).json()["people"] == predictor(picture).to_record()["people"]


@pytest.mark.parametrize(
    "query",
    [
        "score_threshold=1.01",
        "score_threshold=nan",
        "presence_threshold=-1",
        "input_size=0",
        "input_size=100",
        "input_size=288",
        "input_size=1e99",
        "format=gif",
        "scores=maybe",
        "presence_threshold=",
        "input_size=%00",
    ],
)
def test_option_out_of_range_is_named(client: TestClient, picture: bytes, query: str) -> None:
    assert query.partition("=")[0] in detail(client.post(f"{URL}?{query}", content=picture), 422)


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("", "application/json"),
        ("format=json", "application/json"),
        ("format=png", "image/png"),
        ("format=jpeg&scores=true", "image/jpeg"),
    ],
)
def test_format_chooses_whatever_is_accepted(client: TestClient, picture: bytes, query: str, kind: str) -> None:
    answer = client.post(f"{URL}?{query}", content=picture, headers={"accept": "text/html, image/*;q=0.1"})
    assert answer.headers["content-type"] == kind
    if kind.startswith("image/"):
        drawn = Image.open(io.BytesIO(answer.content))
        assert drawn.size == (192, 96)
        assert (np.asarray(drawn) != np.asarray(Image.open(io.BytesIO(picture)))).any()


def test_what_is_no_picture(client: TestClient, picture: bytes) -> None:
    assert "empty" in detail(client.post(URL), 400)
    assert "known format" in detail(client.post(URL, content=b"hello"), 415)
    assert "known format" in detail(client.post(URL, content=b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), 415)
    assert "truncated" in detail(client.post(URL, content=picture[: len(picture) // 2]), 422)
    assert "no file" in detail(client.post(URL, files={"note": (None, "text")}), 400)
    assert "oundary" in detail(client.post(URL, content=b"x", headers={"content-type": "multipart/form-data"}), 400)
    two = [("file", ("a", picture)), ("file", ("b", picture))]
    assert "files" in detail(client.post(URL, files=two), 400)


def test_bytes_are_limited(client: TestClient) -> None:
    assert "MiB" in detail(client.post(URL, content=bytes(65537)), 413)
    assert "MiB" in detail(client.post(URL, files={"file": ("a", bytes(65537))}), 413)
    assert "MiB" in detail(client.post(URL, content=iter([bytes(40000)] * 4)), 413)  # chunked: no length declared
    assert client.post(URL, content=bytes(65536)).status_code == 415


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing: a decompression bomb's head."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(400, 251), (20_000, 20_000), (2**31 - 1, 2**31 - 1), (100_001, 1)])
def test_pixels_are_limited_before_decoding(client: TestClient, size: tuple[int, int]) -> None:
    assert "megapixels" in detail(client.post(URL, content=png_header(*size)), 413)


def test_extreme_shapes(client: TestClient, encoded: Callable[..., bytes]) -> None:
    long = encoded(np.zeros((1, 66_000, 3), np.uint8))
    assert client.post(URL, content=long).json()["width"] == 66_000
    assert "JPEG" in detail(client.post(f"{URL}?format=jpeg", content=long), 422)
    assert client.post(URL, content=encoded(red_dot(1, 1, 0, 0))).status_code == 200


@pytest.mark.parametrize("form", ["jpeg", "webp", "gif", "tiff", "bmp"])
def test_formats(client: TestClient, encoded: Callable[..., bytes], form: str) -> None:
    answer = client.post(URL, content=encoded(red_dot(96, 96, 40, 40, 16), form))
    nose = answer.json()["people"][0]["keypoints"]["nose"]
    assert 36 < nose["x"] < 60
    assert 36 < nose["y"] < 60


def test_exif_orientation_is_followed(client: TestClient, encoded: Callable[..., bytes]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    answer = client.post(URL, content=encoded(red_dot(96, 48, 8, 8), "jpeg", exif=exif)).json()
    assert (answer["width"], answer["height"]) == (48, 96)


def test_pages_and_their_headers(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    files = ("/static/app.js", "/static/style.css", "/static/swagger/swagger-ui-bundle.js")
    for url in ("/", "/docs", *files, "/healthz", "/v1/model", "/metrics", "/nowhere"):
        headers = client.get(url).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'; script-src 'self';" in headers["content-security-policy"]
    assert [client.get(url).headers["cache-control"] for url in ("/", "/docs", *files)] == ["no-cache"] * 5
    assert client.get("/healthz").headers["cache-control"] == "no-store"
    assert client.head("/").status_code == 200
    again = client.get("/", headers={"if-none-match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "http://" not in page.text.replace("http://www.w3.org", "")
    assert "https://" not in page.text  # no CDN


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static//etc/passwd",
        "/static/..%5capp.py",
        "/static/",
        "/static/%00",
        "/static/swagger/../../swagger_ui_bundle/__init__.py",
        "/static/swagger/%2e%2e/%2e%2e/__init__.py",
        "/../../etc/passwd",
    ],
)
def test_no_path_reaches_the_disk(client: TestClient, path: str) -> None:
    assert "Not Found" in detail(client.get(path), 404)


def test_health_model_and_docs(client: TestClient) -> None:
    assert client.get("/healthz").json()["status"] == "ok"
    about = client.get("/v1/model").json()
    assert len(about["keypoints"]) == len(about["sides"]) == 17
    assert (about["input_size"], about["max_bytes"]) == (96, 65536)
    text = client.get("/openapi.json").text
    assert '"null"' not in text  # OpenAPI 3.0 has no such type
    schema = json.loads(text)
    assert list(schema["paths"]["/metrics"]["get"]["responses"]["200"]["content"]) == ["text/plain"]
    assert "503" in schema["paths"]["/readyz"]["get"]["responses"]
    assert "\n" not in schema["info"]["description"]  # no Python in the API\'s page
    route = schema["paths"][URL]["post"]
    assert {"200", "400", "413", "415", "422", "503", "504"} <= set(route["responses"])
    example = route["responses"]["200"]["content"]["application/json"]["example"]
    assert example["people"][0]["keypoints"]["nose"]["seen"] is True
    assert set(route["requestBody"]["content"]) == {"multipart/form-data", "image/*"}
    sizes = next(p["schema"] for p in route["parameters"] if p["name"] == "input_size")
    assert (sizes["default"], sizes["maximum"], sizes["multipleOf"]) == (96, 256, 32)


def test_a_request_may_name_a_model(client: TestClient, predictor: Predictor, picture: bytes) -> None:
    small = replace(predictor, input_size=64, score_threshold=0.0)
    both = TestClient(create_app(predictor, others={"accurate": predictor, "fast": small}))
    assert both.get("/v1/model").json()["models"] == {"accurate": {"input_size": 96}, "fast": {"input_size": 64}}
    for name, model in (("accurate", predictor), ("fast", small)):
        found = both.post(f"{URL}?model={name}", content=picture).json()["people"]
        assert found == model(picture).to_record(None)["people"]
    assert detail(both.post(f"{URL}?model=slow", content=picture), 422) == (
        "model: no such model; choose accurate, fast"
    )
    assert client.get("/v1/model").json()["models"] == {}
    assert detail(client.post(f"{URL}?model=fast", content=picture), 422) == (
        "model: no such model; this server has only one; leave out model"
    )


def test_a_model_is_loaded_once_when_it_is_first_named(predictor: Predictor, picture: bytes) -> None:
    loads: list[Predictor] = []

    def load() -> Predictor:
        time.sleep(0.2)  # the other requests come meanwhile
        loads.append(replace(predictor, input_size=64, presence_threshold=0.25))
        return loads[-1]

    with TestClient(create_app(predictor, others={"accurate": predictor, "fast": load})) as client:
        assert client.get("/v1/model").json()["models"] == {
            "accurate": {"input_size": 96},
            "fast": {"input_size": None},
        }
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: client.post(f"{URL}?model=fast", content=picture).json(), range(4)))
        assert client.get("/v1/model").json()["models"]["fast"] == {"input_size": 64}
        default = client.post(URL, content=picture).json()
    assert len(loads) == 1
    confidences = [answer["people"][0]["keypoints"]["nose"]["confidence"] for answer in (*answers, default)]
    assert confidences == [0.25] * 4 + [0.5]  # the model's own presence threshold, which the fake model gives back


def test_a_model_that_does_not_load_is_one_line_and_is_tried_again(predictor: Predictor, picture: bytes) -> None:
    failing = iter([VoteposeError("fast.onnx: no such weights file"), None])

    def load() -> Predictor:
        if error := next(failing):
            raise error
        return predictor

    client = TestClient(create_app(predictor, others={"fast": load}))
    assert "the model failed" in detail(client.post(f"{URL}?model=fast", content=picture), 500)
    assert client.post(f"{URL}?model=fast", content=picture).status_code == 200


def test_heic_is_read_as_predict_reads_it(client: TestClient, predictor: Predictor) -> None:
    pytest.importorskip("pi_heif")
    record = client.post(URL, content=HEIC_DOT).json()
    assert record == predictor(HEIC_DOT).to_record(None)
    assert len(record["people"]) == 2
    assert detail(client.post(URL, content=HEIC_DOT[:300]), 422) == "the image is broken or truncated"


def test_heic_is_limited_in_pixels(predictor: Predictor) -> None:
    pytest.importorskip("pi_heif")
    with TestClient(create_app(predictor, Limits(max_pixels=3000))) as client:
        assert "the image has 48x64 pixels" in detail(client.post(URL, content=HEIC_DOT), 413)


def test_heic_without_pi_heif_says_what_to_install(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    said = detail(client.post(URL, content=HEIC_DOT), 415)
    needed = 'needs pi-heif on the server: pip install ".[heic]" in a clone of votepose, or convert it to JPEG'
    assert said == f"this is a HEIC image, which {needed}"


def test_wrong_method(client: TestClient) -> None:
    assert "Method" in detail(client.get(URL), 405)


def test_metrics_count(client: TestClient, picture: bytes) -> None:
    client.post(URL, content=picture)
    client.post(URL, content=b"")
    text = client.get("/metrics").text
    assert 'votepose_requests_total{status="200"} 1.0' in text
    assert 'votepose_requests_total{status="400"} 1.0' in text
    assert "votepose_people_total 2.0" in text
    assert "votepose_places_taken 0.0" in text
    assert 'votepose_stage_seconds_count{stage="predict"} 1.0' in text


def test_failing_model_is_one_line_without_a_traceback(predictor: Predictor, picture: bytes) -> None:
    class Broken:
        def run(self, *_: object) -> None:
            raise RuntimeError("secret /path\nTraceback (most recent call last)")

    broken = Predictor(Broken(), predictor.skeleton, 96, 0.5, 0.3, {})
    line = detail(TestClient(create_app(broken)).post(URL, content=picture), 500)
    assert "secret" not in line
    client = TestClient(create_app(predictor), raise_server_exceptions=False)
    client.app.router.add_api_route("/boom", lambda: json.loads("{"))  # type: ignore[attr-defined]
    assert "internal error" in detail(client.get("/boom"), 500)
