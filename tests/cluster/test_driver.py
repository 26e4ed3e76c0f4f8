"""What the engine says before it starts: no room, a missing package, an option or input that will not do."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
import ray

import votepose.cluster
from helpers.fake_model import Predict
from helpers.folders import photos
from votepose.cluster import driver, worker
from votepose.errors import VoteposeError


@pytest.mark.parametrize(("device", "asked"), [("cpu", "3 CPUs"), ("cuda:0", "3 CPUs and a GPU")])
def test_workers_that_no_machine_can_hold_are_told_of(
    device: str, asked: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = worker.Job("out", ".", None, 96, 0.5, 0.3, device, 3, None)
    small, dead = {"CPU": 2.0}, {"CPU": 8.0, "GPU": 1.0}
    nodes = [{"Alive": True, "Resources": small}, {"Alive": False, "Resources": dead}]
    monkeypatch.setattr(driver.ray, "nodes", lambda: nodes)
    with pytest.raises(VoteposeError, match=f"^a worker needs {asked}, which this machine does not have: "):
        driver._check_room(job, growing=False)
    driver._check_room(job, growing=True)
    assert capsys.readouterr().err.endswith(
        f"no machine in the cluster has the {asked} that a worker needs: waiting for one\n"
    )
    nodes[1]["Alive"] = True
    driver._check_room(job, growing=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["in", "--format", "csv"], "--engine ray writes records, not csv: leave out --format"),
        (["in", "--fail-fast"], "--engine ray cannot stop at the first failure: leave out --fail-fast"),
        (["in", "--chunk", "0"], "--chunk should be at least 1, but is 0"),
        (["clip.mp4"], "clip.mp4: --engine ray processes images only; leave it out for videos"),
        (["https://me:secret@host/a.jpg"], "https://host/a.jpg: --engine ray does not accept URLs with a password"),
        (["none.jpg"], "none.jpg: no such file or folder"),
        (["in", "--out", "in/0.jpg/out"], "in/0.jpg/out: is a file or lies in one; choose another --out"),
        (["foo://a/b.jpg"], "foo://a/b.jpg: Protocol not known: foo"),
        (["in", "--address", "127.0.0.1:1"], "no Ray cluster answers at 127.0.0.1:1 (Connection refused)"),
        (["in", "--address", f"127.0.0.1:{10**30}"], f"no Ray cluster answers at 127.0.0.1:{10**30} (no answer)"),
        (["in", "--address", "nonsense"], "Ray at nonsense: Invalid address format: nonsense; check --address"),
    ],
)
def test_mistakes_are_one_line(predict: Predict, argv: list[str], told: str) -> None:
    assert not ray.is_initialized()
    photos(1)
    Path("clip.mp4").touch()
    status, out, err = predict(*argv, "--engine", "ray")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert told in err.replace(os.getcwd() + "/", "")


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (
            ["--out", "s3://bucket/found"],
            "s3://bucket/found: only --engine ray writes to a URL; --out should be a folder",
        ),
        (["--out", "file:///tmp/x"], "/tmp/x: only --engine ray writes to a URL; --out should be a folder"),
        (["--chunk", "2"], "--chunk needs --engine ray: add that, or omit --chunk"),
        (["--address", "auto"], "--address needs --engine ray: add that, or omit --address"),
    ],
)
def test_the_local_engine_refuses_what_only_ray_can_do(predict: Predict, argv: list[str], told: str) -> None:
    photos(1)
    assert predict("in", *argv) == (2, "", f"votepose: error: {told}\n")
    assert os.listdir() == ["in"]


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs")])
def test_what_is_missing_is_named(predict: Predict, monkeypatch: pytest.MonkeyPatch, scheme: str, package: str) -> None:
    photos(1)
    monkeypatch.setitem(sys.modules, package, None)  # type: ignore[arg-type]
    monkeypatch.delitem(importlib.import_module("fsspec.registry")._registry, scheme, raising=False)
    expected = f"{scheme}://b/x: needs a package that is not installed: pip install {package}\n"
    assert predict(f"{scheme}://b/x", "--engine", "ray")[2].endswith(expected)
    assert predict("in", "--engine", "ray", "--out", f"{scheme}://b/x")[2].endswith(expected)
    monkeypatch.setitem(sys.modules, "ray", None)  # type: ignore[arg-type]
    monkeypatch.delitem(sys.modules, "votepose.cluster.driver")
    monkeypatch.delattr(votepose.cluster, "driver")
    status, _, err = predict("in", "--engine", "ray")
    message = '--engine ray needs ray, which is not installed: pip install ".[cluster]" in a clone of votepose'
    assert (status, err) == (2, f"votepose: error: {message}\n")
    assert isinstance(driver, ModuleType)
