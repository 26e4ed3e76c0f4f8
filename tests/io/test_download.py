"""Downloads: an image's bytes, or one line that names the URL and what the server did wrong."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from helpers.fake_model import red_dot, save_jpeg
from votepose.errors import VoteposeError
from votepose.io.download import fetch, is_url
from votepose.io.images import read_image, source_name


class _Server(BaseHTTPRequestHandler):
    """Answers as the path says; `photo` is set by the fixture."""

    photo = b""

    def do_GET(self) -> None:
        kind = self.path.strip("/").partition("?")[0]
        if kind == "photo.jpg":
            self.reply(200, self.photo)
        elif kind == "page":
            self.reply(200, b"<html>", {"Content-Type": "text/html; charset=utf-8"})
        elif kind == "film":
            self.reply(200, b"", {"Content-Type": "video/mp4"})
        elif kind == "moved":
            self.reply(302, b"", {"Location": "/photo.jpg"})
        elif kind == "ftp":
            self.reply(302, b"", {"Location": "ftp://127.0.0.1/photo.jpg"})
        elif kind == "round":
            self.reply(302, b"", {"Location": "/round"})
        elif kind == "large":
            self.reply(200, b"x" * 3000)
        elif kind == "endless":  # says no length
            self.reply(200, b"x" * 3000, {"Connection": "close"}, length=None)
        elif kind == "cut":
            self.reply(200, b"x" * 10, length=100)
        elif kind == "slow":
            time.sleep(1)
        elif kind == "trickle":
            self.reply(200, b"x", length=1000)
            for _ in range(20):
                time.sleep(0.05)
                self.wfile.write(b"x")
        else:
            self.reply(404, b"nothing")

    def reply(self, code: int, body: bytes, headers: dict[str, str] | None = None, length: int | None = -1) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(len(body) if length < 0 else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Clients that leave are what the tests are about."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server on this machine."""
    path = save_jpeg(tmp_path_factory.mktemp("web") / "photo.jpg", red_dot(64, 48, 10, 10))
    _Server.photo = path.read_bytes()
    with _Quiet(("127.0.0.1", 0), _Server) as web:
        web.daemon_threads = True
        threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_address[1]}"
        web.shutdown()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_urls_are_read_like_files(server: str, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(_Server.photo)
    for address in (f"{server}/photo.jpg", f"{server}/moved", f"{server}/photo.jpg?a b=ü"):
        assert fetch(address) == _Server.photo
        np.testing.assert_array_equal(read_image(address), read_image(tmp_path / "a.jpg"))
        assert source_name(address) == address
    assert [is_url(text) for text in ("https://a.b", "HTTP://a", "ftp://a", "http.jpg")] == [True, True, False, False]


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("none", "answers 404 Not Found"),
        ("page", "is a web page, not an image"),
        ("film", r"is a video \(video/mp4\), not an image; name it as video:http"),
        ("ftp", "redirects to ftp://127.0.0.1/photo.jpg, which is not http"),
        ("round", "answers 302"),
        ("large", "is larger than 0.000954 MiB"),
        ("endless", "is larger than 0.000954 MiB"),
        ("cut", "broke off after 10 bytes"),
        ("slow", "no answer within 0.3 s"),
        ("trickle", "arrives too slowly"),
    ],
)
def test_answers_that_are_no_image_are_one_line(server: str, page: str, said: str) -> None:
    with pytest.raises(VoteposeError, match=said) as caught:
        fetch(f"{server}/{page}", max_bytes=1000, timeout=0.3, deadline=0.2)
    assert str(caught.value).startswith(f"{server}/{page}: ")
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_image_name_the_url(server: str) -> None:
    with pytest.raises(VoteposeError, match=r"/large: is not an image of a known format"):
        read_image(f"{server}/large")


def test_servers_that_are_not_there_are_one_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for address in (f"http://127.0.0.1:{port}/a.jpg", "http://127.0.0.1:x/a.jpg", "http://[::1/a.jpg", "http:///a"):
        with pytest.raises(VoteposeError) as caught:
            fetch(address, timeout=1)
        assert str(caught.value).startswith(f"{address}: ")
        assert "\n" not in str(caught.value)
