"""The files in deploy/: commands that exist, and as they should be run. `make container` runs them for real."""

from __future__ import annotations

import configparser
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.scripts_of import script
from votepose.commands.parsing import parse
from votepose.commands.serve import ServeConfig

ROOT = Path(__file__).parents[1]
STEPS = script("check_deploy").instructions((ROOT / "deploy/Dockerfile").read_text())


def test_the_dockerfile_copies_what_exists_and_serves_as_a_user() -> None:
    known = {"FROM", "COPY", "RUN", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    names = [name for name, _ in STEPS]
    assert set(names) <= known
    assert names[0] == "FROM"
    for name, rest in STEPS:
        if name == "COPY":
            assert all((ROOT / source).exists() for source in rest.split()[:-1]), rest
    assert names.index("USER") > max(k for k, name in enumerate(names) if name == "RUN")
    program, *arguments = script("check_deploy").command_of(STEPS)
    assert (program, arguments[0]) == ("votepose", "serve")
    config = parse(ServeConfig, "serve", arguments[1:], {})
    assert (config.host, str(config.access_log)) == ("0.0.0.0", "-")
    assert dict(STEPS)["EXPOSE"] == str(config.port)


def test_the_dockerfile_s_health_check_asks_the_server() -> None:
    check = dict(STEPS)["HEALTHCHECK"].partition("CMD ")[2]
    program, option, code = json.loads(check)
    assert (program, option) == ("python", "-c")
    assert f":{ServeConfig.port}/healthz'" in code
    compile(code, "HEALTHCHECK", "exec")


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(ROOT / "deploy/votepose.service")
    return parser


def test_the_unit_starts_the_server_and_gives_it_time_to_stop() -> None:
    service = unit()["Service"]
    program, command, *arguments = shlex.split(service["ExecStart"])
    assert (Path(program).name, command) == ("votepose", "serve")
    config = parse(ServeConfig, "serve", arguments, {})
    assert config.host == "127.0.0.1"
    assert int(service["TimeoutStopSec"]) > config.graceful_timeout
    assert service["DynamicUser"] == "yes"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    text = (ROOT / "deploy/votepose.service").read_text()
    path = tmp_path / "votepose.service"
    path.write_text(text.replace("/opt/votepose/bin/votepose", sys.executable))  # it looks whether the program is there
    done = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=60, check=False)
    assert [line for line in done.stderr.splitlines() if "votepose" in line] == []
    assert done.returncode == 0, done.stderr
