"""The command `votepose serve`: it starts, prints its address, stops on a signal, and reports mistakes in one line."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import httpx2 as httpx
import pytest

from helpers.fake_model import red_dot
from helpers.live import encode
from votepose.commands.model_options import ModelOptions
from votepose.commands.serve import ServeConfig, run
from votepose.errors import VoteposeError

CODE = "import sys; from pathlib import Path; from votepose.commands.serve import *; sys.exit(run(ServeConfig({})))"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_starts_and_stops(fake_model: Path, number: int) -> None:
    code = CODE.format(f"port=0, model=ModelOptions(weights=Path({str(fake_model)!r}))")
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line
        assert (
            httpx.post(f"{found[0]}/v1/poses", content=encode(red_dot(192, 96, 80, 40, 16)), timeout=20).status_code
            == 200
        )
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "stopped\n", "")


SLOW = """
import time, votepose.server.handler as handler
real = handler.decode
handler.decode = lambda *args: (time.sleep(3), real(*args))[1]
"""
STOPPING = {"detail": "the server is stopping and has not finished this request; send it again"}


@pytest.mark.parametrize("part", ["upload", "work"])
def test_stopping_waits_no_longer_than_its_limit(fake_model: Path, tmp_path: Path, part: str) -> None:
    log, body = tmp_path / "log", encode(red_dot(192, 96, 80, 40, 16))
    options = f"port=0, graceful_timeout=0.5, access_log=Path({str(log)!r})"
    code = SLOW + CODE.format(f"{options}, model=ModelOptions(weights=Path({str(fake_model)!r}))")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(re.findall(rb":(\d+) ", process.stdout.readline())[0])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as hanging:
            sent = body if part == "work" else body[:9]
            head = f"POST /v1/poses HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
            hanging.sendall(head.encode() + sent)
            assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=20).status_code == 200
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            answer = http.client.HTTPResponse(hanging)
            answer.begin()
            assert (answer.status, json.loads(answer.read())) == (503, STOPPING)
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert re.fullmatch(rb"ERROR: +Cancel 1 running task\(s\), timeout graceful shutdown exceeded\n", err), err
    assert time.monotonic() - started < 10  # the upload alone has 30 s
    assert json.loads(log.read_text())["status"] == 503


def test_port_in_use(fake_model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            VoteposeError, match=rf"^cannot listen on 127\.0\.0\.1, port {port}: .*in use; choose another --port$"
        ):
            run(ServeConfig(port=port, model=ModelOptions(weights=fake_model)))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"port": 99999}, r"--port should be in \[0, 65535\]"),
        ({"port": -1}, r"--port should be in \[0, 65535\]"),
        ({"host": "no.such.host.invalid"}, "cannot listen on no.such.host.invalid"),
        ({"host": "256.1.1.1"}, "cannot listen on 256.1.1.1"),
        ({"host": "x" * 70}, "cannot listen"),
        ({"workers": 0}, "workers"),
        ({"queue": -1}, "queue"),
        ({"timeout": 0}, "timeout"),
        ({"graceful_timeout": -1}, "--graceful-timeout should be at least 0 seconds"),
        ({"graceful_timeout": float("nan")}, "--graceful-timeout"),
        ({"max_batch": 0}, "--max-batch should be at least 1"),
        ({"api_key_file": Path("no/keys")}, r"no/keys: the API keys cannot be read \(No such file or directory\)"),
        ({"access_log": Path("no/log")}, r"no/log: the access log cannot be written \(No such file or directory\)"),
        ({"max_megabytes": float("nan")}, "--max-megabytes"),
        ({"max_megapixels": 1000}, "--max-megapixels should be at most 268, but is 1000"),
        ({"input_size": 100}, "multiple of 32"),
        ({"weights": Path("nothing.onnx")}, "no such weights"),
        ({"device": "abacus"}, "abacus"),
    ],
)
def test_bad_option_is_one_line(fake_model: Path, wrong: dict, said: str) -> None:
    names = [field.name for field in fields(ModelOptions)]
    model = ModelOptions(**{"weights": fake_model} | {name: wrong[name] for name in wrong if name in names})
    options = {"port": 0} | {name: wrong[name] for name in wrong if name not in names}
    with pytest.raises(VoteposeError, match=said) as caught:
        run(ServeConfig(**options, model=model))
    assert "\n" not in str(caught.value)
