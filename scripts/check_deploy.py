"""Run deploy/Dockerfile without Docker: its commands in a clean environment, its server, a request, and a stop.

python scripts/check_deploy.py    # downloads packages; a minute or two
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
_PATIENCE = 180  # seconds
KEY = "a-key-for-this-check"


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, and their arguments."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def build(steps: list[tuple[str, str]], place: Path) -> dict[str, str]:
    """Follow COPY and `RUN pip` in a folder; the environment in which the image's commands run there."""
    venv.create(place / "venv", with_pip=True)
    environment = {"PATH": f"{place / 'venv/bin'}:/usr/bin:/bin", "HOME": str(place), "VOTEPOSE_API_KEY": KEY}
    for name, rest in steps:
        if name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                copy = place / target.lstrip("/") / ("" if (ROOT / source).is_dir() else source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, copy)
        elif name == "RUN" and rest.startswith("pip "):
            command = shlex.split(rest.replace('"/', f'"{place}/'))
            subprocess.run(command, cwd=place, env=environment, check=True, stdout=subprocess.DEVNULL)
    return environment


def command_of(steps: list[tuple[str, str]]) -> list[str]:
    """What the container runs."""
    found = dict(steps)
    return [*json.loads(found["ENTRYPOINT"]), *json.loads(found["CMD"])]


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def until_ready(process: subprocess.Popen, port: int) -> float:
    """Seconds until /readyz answers 200."""
    started = time.monotonic()
    while process.poll() is None and time.monotonic() - started < _PATIENCE:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=4)
        except OSError:
            time.sleep(0.2)
        else:
            return time.monotonic() - started
    ended = process.poll()
    sys.exit(f"the server was not ready within {_PATIENCE} s" if ended is None else f"the server ended with {ended}")


def answers(port: int) -> Iterator[tuple[int, str]]:
    """Status and body of a request without and with the key."""
    image = (ROOT / "examples/stairs.jpg").read_bytes()
    for headers in ({}, {"X-API-Key": KEY}):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/poses", image, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                yield answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            yield error.code, error.read().decode()


def main() -> None:
    """Print what was found; exits with 1 at the first thing that is wrong."""
    steps = instructions((ROOT / "deploy/Dockerfile").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        environment = build(steps, Path(folder))
        program = shutil.which("votepose", path=environment["PATH"])
        assert program, "the package has no command votepose"
        port = free_port()
        command = [program, *command_of(steps)[1:], "--port", str(port)]
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                print(f"ready after {until_ready(process, port):.1f} s: {shlex.join(command)}")
                (refused, line), (status, body) = answers(port)
            finally:
                process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=_PATIENCE)
    print(f"without key: {refused} {line}\nwith key: {status}, {len(json.loads(body)['people'])} people")
    print(f"stopped with exit status {process.returncode}; its output:\n{output}", end="")
    if (refused, status, process.returncode) != (401, 200, 0):
        sys.exit(1)


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
