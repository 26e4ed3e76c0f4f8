"""Thousands of malformed requests: each is answered or refused in one line, none with 5xx, and nothing leaks."""

from __future__ import annotations

import contextlib
import os
import random
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import features

from helpers.fake_model import red_dot
from helpers.live import serving, until
from votepose.predictor import Predictor
from votepose.server.app import create_app
from votepose.server.limits import Limits

CASES = 2400  # through the application
RAW = 300  # through a socket, malformed as HTTP too
WARM = 600  # of the first; what they allocate once is no leak
LIMITS = Limits(max_bytes=40_000, max_pixels=60_000, max_input_size=96, timeout=10)
ALLOWED = {200, 400, 413, 415, 422}
FORMATS = ["png", "jpeg", "webp", "gif", "tiff", "bmp"] + ["avif"] * features.check("avif")
NASTY = [
    b"\x00" * 8,
    b"\xff" * 8,
    b"\xff\xff\xff\x7f",
    b"\x80\x00\x00\x00",
    b"\r\n\r\n",
    b"--x--",
    b"%n%s",
    b"IEND",
    b"\xff\xd9",
]
PARTS = [
    'name="file"; filename="a.png"',
    'name="file"; filename="a.png"',
    'name="file"',
    'filename="a"',
    'name="file"; filename="../../etc/x"',
    "name=file; filename*=utf-8''%ff%00",
    'name="\xff"; filename="\x00"',
]
FORMS = [
    "multipart/form-data",
    "multipart/form-data; boundary=",
    'multipart/form-data; boundary="',
    "multipart/mixed; boundary=y",
    "Multipart/Form-Data; boundary=" + "z" * 300,
    "multipart/form-data; boundary={}; charset=hex",
    "multipart/form-data; charset=no-such; boundary={}",
    "multipart/form-data; boundary=\x80\xfe",
]


@pytest.fixture(scope="module")
def seeds() -> list[bytes]:
    from helpers.live import encode

    images = [red_dot(48, 32, 20, 8), np.random.default_rng(0).integers(0, 256, (17, 23, 3), np.uint8)]
    extra = {"jpeg": [{"progressive": True}], "png": [{"interlace": 1}], "tiff": [{"compression": "tiff_lzw"}]}
    return [
        encode(image, form, **options) for image in images for form in FORMATS for options in [{}, *extra.get(form, [])]
    ]


def mutate(rng: random.Random, data: bytes) -> bytes:
    """Cut, flip, repeat, overwrite or insert, some times."""
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        piece = rng.choice((rng.choice(NASTY), rng.randbytes(rng.randrange(1, 9)), data[at:end]))
        kind = rng.randrange(6)
        if kind == 0:
            data = data[:at]
        elif kind == 1:
            data = data[:at] + piece + data[at:]
        elif kind == 2:
            data = data[:at] + data[end:]
        elif kind == 3:
            at = rng.randrange(min(len(data), 64) + 1)  # the header, where sizes and counts are
            data = data[:at] + piece + data[at + len(piece) :]
        else:
            data = data[:at] + piece + data[at + len(piece) :]
    return data


def form_body(rng: random.Random, data: bytes) -> tuple[bytes, str]:
    """A multipart body, nearly right, and its content type."""
    boundary = rng.choice(["x", "----a", "b" * 70])
    disposition = f"Content-Disposition: form-data; {rng.choice(PARTS)}\r\n\r\n"
    part = f"--{boundary}\r\n{disposition}".encode("latin-1") + data + b"\r\n"
    body = part * rng.choice((1, 1, 1, 2, 12)) + f"--{boundary}--\r\n".encode()
    kind = rng.choice(["multipart/form-data; boundary={}"] * 6 + FORMS).format(boundary)
    return (mutate(rng, body) if rng.random() < 0.6 else body), kind


def requests(rng: random.Random, seeds: list[bytes]) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """Query, body and headers, without end."""
    values = [
        "",
        "0",
        "1",
        "-1",
        "nan",
        "inf",
        "1e999",
        "0x10",
        "a",
        "%00",
        "%ff",
        "96",
        "64",
        "33",
        "9" * 400,
        "[]",
        "../x",
    ]
    names = ["input_size", "presence_threshold", "score_threshold", "format", "scores", "a", "%00", "image", "weights"]
    types = [
        "",
        "image/png",
        "image/jpeg",
        "text/html",
        "application/json",
        "application/x-www-form-urlencoded",
        "x" * 900,
        "/",
        ";",
        "\xe9",
    ]
    accepts = [
        "*/*",
        "",
        "image/png",
        "image/jpeg",
        "image/*;q=0.1",
        ";;;,,",
        "q=1",
        "image/png;q=9",
        "a/b",
        "*/*;q=-1",
        ",",
        "\xff",
        "*" * 999,
    ]
    while True:
        data = rng.choice(
            [mutate(rng, rng.choice(seeds))] * 6 + [b"", rng.randbytes(rng.randrange(200)), bytes(50_000)]
        )
        body, kind = form_body(rng, data) if rng.random() < 0.35 else (data, rng.choice(types))
        query = "&".join(f"{rng.choice(names)}={rng.choice(values)}" for _ in range(rng.choice((0, 0, 0, 1, 2))))
        headers = {"content-type": kind}
        if rng.random() < 0.3:
            headers["accept"] = rng.choice(accepts)
        if rng.random() < 0.05:
            headers["content-length"] = rng.choice(["0", "-1", "9" * 30, "x", "²", " 7"])
        yield query, body, headers


def resident() -> int:
    """Bytes of memory that this process uses."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.filterwarnings("ignore")  # Pillow warns of what is odd in a file
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory and open files are read from Linux's /proc")
def test_malformed_requests(predictor: Predictor, seeds: list[bytes]) -> None:
    rng = random.Random(0)
    seen: Counter[int] = Counter()
    with TestClient(create_app(predictor, LIMITS)) as client:
        before = 0, 0
        for number, (query, body, headers) in zip(range(CASES), requests(rng, seeds), strict=False):
            if number == WARM:
                before = resident(), open_files()
            encoded = {key: value.encode("latin-1", "replace") for key, value in headers.items()}
            answer = client.post(f"/v1/poses?{query}", content=body, headers=encoded)
            seen[answer.status_code] += 1
            assert answer.status_code in ALLOWED, (number, query, headers, body[:200], answer.text)
            if answer.status_code != 200:
                line = answer.json()["detail"]
                assert isinstance(line, str)
                assert "Traceback" not in line
        assert open_files() <= before[1]
        assert resident() - before[0] < 24 * 2**20
        assert "votepose_places_taken 0.0" in client.get("/metrics").text
    assert set(seen) == ALLOWED, seen  # every way out was taken
    assert sum(seen.values()) == CASES


@pytest.mark.filterwarnings("ignore")
def test_malformed_http(predictor: Predictor, seeds: list[bytes]) -> None:
    rng = random.Random(1)
    with serving(create_app(predictor, LIMITS)) as url:
        at = urlsplit(url)
        statuses: Counter[bytes] = Counter()
        for query, body, headers in (case for case, _ in zip(requests(rng, seeds), range(RAW), strict=False)):
            lines = [f"POST /v1/poses?{query} HTTP/1.1", "Host: a", "Connection: close"]
            lines += [f"{key}: {value}" for key, value in ({"content-length": str(len(body))} | headers).items()]
            head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
            message = head + body if rng.random() < 0.3 else mutate(rng, head) + body
            with socket.create_connection((at.hostname, at.port), timeout=10) as sock:
                statuses[talk(sock, message)] += 1
        assert not {status for status in statuses if status.startswith(b"5")}, statuses
        assert statuses[b"200"] + statuses[b"422"] > 10
        with TestClient(create_app(predictor)) as other:
            assert other.get("/healthz").status_code == 200
        until(lambda: b"places_taken 0.0" in get(at.hostname, at.port, "/metrics"))


def talk(sock: socket.socket, message: bytes) -> bytes:
    """The status of the answer to a message after which nothing more is sent; empty if there is none."""
    with contextlib.suppress(OSError):  # the server may have answered and closed before it has all
        sock.sendall(message)
        sock.shutdown(socket.SHUT_WR)
    try:
        answer = sock.recv(4096)
    except ConnectionError:
        return b""
    return answer.split(b" ")[1] if answer.startswith(b"HTTP/") else b""


def get(host: str | None, port: int | None, path: str) -> bytes:
    """The answer to a proper request."""
    with socket.create_connection((host or "", port or 0), timeout=10) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.mark.parametrize("hostile", ["\x00", "hex", "base64", "rot13", "utf-16", "idna", "undefined", "x" * 500])
def test_charset_of_a_form(client: TestClient, picture: bytes, hostile: str, encoded: Callable[..., bytes]) -> None:
    kind = f"multipart/form-data; boundary=x; charset={hostile}".encode("latin-1")
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="\xff"\r\n\r\n' + picture + b"\r\n--x--\r\n"
    assert client.post("/v1/poses", content=body, headers={"content-type": kind}).status_code in (200, 400)
