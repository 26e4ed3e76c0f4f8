"""What an operator relies on: API keys, readiness, the access log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from helpers.live import HeldSession, until
from votepose.errors import VoteposeError
from votepose.predictor import Predictor
from votepose.server.access_log import open_access_log
from votepose.server.app import create_app
from votepose.server.keys import read_keys
from votepose.server.limits import Limits

KEYS = ("first-key-of-two", "second-key-of-two")


@pytest.fixture
def guarded(predictor: Predictor) -> Iterator[TestClient]:
    with TestClient(create_app(predictor, origins=["https://app.example"], keys=KEYS)) as client:
        yield client


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(("header", "form"), [("X-API-Key", "{}"), ("Authorization", "Bearer {}")])
def test_any_key_opens_every_route(guarded: TestClient, picture: bytes, key: str, header: str, form: str) -> None:
    headers = {header: form.format(key)}
    assert guarded.post("/v1/poses", content=picture, headers=headers).status_code == 200
    assert guarded.post("/v1/batch", files={"file": picture}, headers=headers).status_code == 200
    assert guarded.get("/v1/model", headers=headers).status_code == 200
    assert guarded.get("/metrics", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "part"),
    [
        ({}, "this server needs an API key"),
        ({"X-API-Key": "wrong"}, "the API key is not valid"),
        ({"X-API-Key": ""}, "this server needs an API key"),
        ({"X-API-Key": KEYS[0] + "x"}, "the API key is not valid"),
        ({"Authorization": f"Basic {KEYS[0]}"}, "this server needs an API key"),
        ({"Authorization": "Bearer wrong"}, "the API key is not valid"),
        ({b"X-API-Key": "schlüssel".encode("latin-1")}, "the API key is not valid"),
    ],
)
def test_without_a_key_there_is_one_line(guarded: TestClient, picture: bytes, headers: dict, part: str) -> None:
    for answer in (
        guarded.post("/v1/poses", content=picture, headers=headers),
        guarded.post("/v1/batch", files={"file": picture}, headers=headers),
        guarded.get("/v1/model", headers=headers),
        guarded.get("/metrics", headers=headers),
    ):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["detail"] == f"{part}; send it in the header X-API-Key, or as Authorization: Bearer"


def test_refused_requests_for_poses_are_counted(guarded: TestClient, picture: bytes) -> None:
    key = {"X-API-Key": KEYS[0]}
    for headers in ({}, {"X-API-Key": "wrong"}):
        guarded.post("/v1/poses", content=picture, headers=headers)
        guarded.post("/v1/batch", files={"file": picture}, headers=headers)
        guarded.get("/v1/model", headers=headers)
    guarded.post("/v1/poses?input_size=33", content=picture, headers=key)
    guarded.post("/v1/poses", content=picture, headers=key)
    text = guarded.get("/metrics", headers=key).text
    counts = [line for line in text.splitlines() if line.startswith("votepose_requests_total")]
    assert counts == [f'votepose_requests_total{{status="{s}"}} {n}.0' for s, n in ((401, 4), (422, 1), (200, 1))]
    assert "votepose_request_seconds_count 6.0" in text


def test_health_and_the_page_need_no_key(guarded: TestClient) -> None:
    until(lambda: guarded.get("/readyz").status_code == 200)
    for path in ("/healthz", "/", "/docs", "/static/api.js", "/openapi.json"):
        assert guarded.get(path).status_code == 200
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "x-api-key"
    answer = guarded.options("/v1/poses", headers=asked)
    assert (answer.status_code, answer.headers["access-control-allow-headers"]) == (200, "x-api-key")
    assert guarded.get("/openapi.json").json()["paths"]["/v1/poses"]["post"]["security"]


def test_keys_are_read_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOTEPOSE_API_KEY", raising=False)
    assert read_keys(None) == ()
    monkeypatch.setenv("VOTEPOSE_API_KEY", "from-the-environment\n")
    assert read_keys(None) == ("from-the-environment",)
    (tmp_path / "keys").write_text(f"# ours\n{KEYS[0]}\n\n  {KEYS[1]}\n")
    assert read_keys(tmp_path / "keys") == KEYS


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (None, "the API keys cannot be read (No such file or directory)"),
        ("", "holds no API key; write one per line"),
        ("# nothing\n", "holds no API key"),
        ("short\n", "key 1 should be at least 8 printable ASCII characters"),
        ("with a space in it\n", "key 1 should be"),
        ("long-enough\nschlüssel\n", "key 2 should be"),
    ],
)
def test_wrong_keys_are_one_line(tmp_path: Path, text: str | None, part: str) -> None:
    path = tmp_path / "keys"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(VoteposeError) as caught:
        read_keys(path)
    assert str(path) in str(caught.value)
    assert part in str(caught.value)
    assert not text or text.splitlines()[-1].strip() not in str(caught.value)


def ready(client: TestClient) -> tuple[int, str]:
    answer = client.get("/readyz")
    return answer.status_code, answer.json()["status"]


def test_ready_after_the_model_has_answered_and_until_the_server_stops(predictor: Predictor) -> None:
    held, stop = HeldSession(predictor.session), [False]
    held.go.clear()
    with TestClient(create_app(replace(predictor, session=held), stopping=lambda: stop[0])) as client:
        until(lambda: held.runs == 1)
        assert ready(client) == (503, "starting")
        assert client.get("/healthz").status_code == 200
        held.go.set()
        until(lambda: ready(client) == (200, "ready"))
        stop[0] = True
        assert ready(client) == (503, "stopping")


def test_a_model_that_fails_is_never_ready(predictor: Predictor, caplog: pytest.LogCaptureFixture) -> None:
    broken = Predictor(object(), predictor.skeleton, 96, 0.5, 0.3, {})
    with TestClient(create_app(broken)) as client:
        until(lambda: bool(caplog.records))
        assert ready(client) == (503, "starting")
    assert caplog.records[0].getMessage() == "the model failed at the start"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.jsonl"


def entries(log: Path) -> list[dict]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def test_the_access_log_has_a_line_per_request(predictor: Predictor, picture: bytes, log: Path) -> None:
    app = create_app(predictor, Limits(max_bytes=4096), keys=KEYS, access_log=open_access_log(log))
    key = {"X-API-Key": KEYS[0]}
    with TestClient(app) as client:
        found = client.post("/v1/poses?score_threshold=0.01", content=picture, headers=key)
        client.post("/v1/batch", files=[("file", picture)] * 2, headers=key)
        client.post("/v1/poses", content=bytes(9999), headers=key)
        client.get("/nowhere%0a%22")
        client.get("/v1/model")
        client.get("/healthz")
        until(lambda: ready(client)[0] == 200)
    first, batch, large, nowhere, refused, *starting = entries(log)
    assert list(first) == [
        "time",
        "client",
        "method",
        "path",
        "status",
        "seconds",
        "received",
        "sent",
        "people",
    ]
    assert first["time"].endswith("+00:00")
    assert (first["client"], first["method"], first["path"], first["status"]) == (
        "testclient",
        "POST",
        "/v1/poses",
        200,
    )
    assert (first["received"], first["sent"], first["people"]) == (len(picture), len(found.content), 2)
    assert 0 < first["seconds"] < 20
    assert (batch["status"], batch["people"]) == (200, 4)
    assert (large["status"], large["people"], nowhere["status"], refused["status"]) == (413, None, 404, 401)
    assert {entry["path"] for entry in starting} <= {"/readyz"}
    assert KEYS[0] not in log.read_text()


def test_the_access_log_may_be_moved_and_goes_on_after_an_error(predictor: Predictor, log: Path) -> None:
    app = create_app(predictor, access_log=open_access_log(log))
    app.router.add_api_route("/boom", lambda: json.loads("{"))
    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/boom").status_code == 500
    log.rename(log.with_name("access.1"))
    client.get("/")
    assert [entry["status"] for entry in entries(log.with_name("access.1"))] == [500]
    assert [entry["path"] for entry in entries(log)] == ["/"]


def test_an_access_log_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(VoteposeError, match="the access log cannot be written"):
        open_access_log(tmp_path / "no" / "access.jsonl")
