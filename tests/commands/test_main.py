"""The command line: results where they were asked for, one clear line for a mistake, no traceback."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import votepose.outputs.pictures
from helpers.fake_model import red_dot, save_jpeg
from votepose.commands import main as cli


@dataclass(frozen=True)
class Result:
    """What a command left: its exit status and what it printed."""

    status: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    def call(*argv: str | Path) -> Result:
        try:
            status = cli.main([str(arg) for arg in argv])
        except SystemExit as stop:  # of tyro
            status = int(stop.code or 0)
        printed = capsys.readouterr()
        return Result(status, printed.out, printed.err)

    return call


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """photos/{1,2,10}.jpg and photos/more/1.jpg, a red dot in each; the working directory holds photos."""
    monkeypatch.chdir(tmp_path)
    for name in ("1.jpg", "2.jpg", "10.jpg", "more/1.jpg"):
        path = Path("photos", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_jpeg(path, red_dot(192, 96, 80, 40, 16))
    return Path("photos")


def records(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "poses.jsonl").read_text().splitlines()]


def test_predict_writes_records_and_drawings(run: Callable[..., Result], photos: Path, fake_model: Path) -> None:
    result = run("predict", photos, "--weights", fake_model, "--recursive", "--scores")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("4 images, 8 people, ")
    assert "ms/image; results in out" in result.out
    assert [record["image"] for record in records(Path("out"))] == [
        "photos/1.jpg",
        "photos/2.jpg",
        "photos/10.jpg",
        "photos/more/1.jpg",
    ]
    nose = records(Path("out"))[0]["people"][0]["keypoints"]["nose"]
    assert 80 - 4 < nose["x"] < 96 + 4
    assert 40 - 4 < nose["y"] < 56 + 4
    for name in ("1.jpg", "2.jpg", "10.jpg", "more/1.jpg"):
        drawn, photo = (np.asarray(Image.open(folder / name)) for folder in (Path("out"), photos))
        assert drawn.shape == photo.shape
        assert (drawn != photo).any()


def test_predict_writes_coco_results(run: Callable[..., Result], photos: Path, fake_model: Path) -> None:
    result = run("predict", photos, "--weights", fake_model, "--format", "coco", "--no-draw", "--out", "deep/er")
    assert result.status == 0
    found = json.loads(Path("deep/er/results.json").read_text())
    assert [person["image_id"] for person in found] == [1, 1, 2, 2, 10, 10]
    assert sorted(path.name for path in Path("deep/er").iterdir()) == ["images.json", "results.json", "run.json"]


def test_inputs_are_never_drawn_over(run: Callable[..., Result], photos: Path, fake_model: Path) -> None:
    before = {path: path.read_bytes() for path in photos.rglob("*.jpg")}
    assert run("predict", photos, "--weights", fake_model, "--out", photos).status == 0
    assert all(path.read_bytes() == content for path, content in before.items())
    assert (photos / "1-2.jpg").exists()


def test_a_second_run_does_not_take_the_first_ones_drawings(
    run: Callable[..., Result], photos: Path, fake_model: Path
) -> None:
    for _ in range(2):
        result = run("predict", photos, "--weights", fake_model, "--recursive", "--out", photos / "out")
        assert result.out.startswith("4 images")


def test_predict_goes_on_past_unreadable_files_and_reports_them(
    run: Callable[..., Result], photos: Path, fake_model: Path
) -> None:
    (photos / "1.jpg").write_text("hello")
    (photos / "2.jpg").write_bytes(b"")
    result = run("predict", "photos/*.jpg", "--weights", fake_model)
    assert result.status == 1
    assert result.err.splitlines() == [
        "votepose: photos/1.jpg: is not an image of a known format",
        "votepose: photos/2.jpg: is empty (0 bytes)",
    ]
    assert result.out.startswith("1 image, 2 people, 2 failed, ")
    assert ["error" in record for record in records(Path("out"))] == [True, True, False]


def test_fail_fast_stops_at_the_first(run: Callable[..., Result], photos: Path, fake_model: Path) -> None:
    (photos / "2.jpg").write_text("hello")
    result = run("predict", "photos/*.jpg", "--weights", fake_model, "--fail-fast")
    assert result.status == 1
    assert len(result.err.splitlines()) == 1
    assert "1 failed, 1 not done" in result.out
    assert ["error" in record for record in records(Path("out"))] == [False, True]


def test_ctrl_c_keeps_what_is_done(
    run: Callable[..., Result], photos: Path, fake_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = votepose.outputs.pictures.save_picture

    def interrupted(pixels: np.ndarray, path: Path) -> None:
        if path.name == "10.jpg":
            raise KeyboardInterrupt
        real(pixels, path)

    monkeypatch.setattr(votepose.outputs.pictures, "save_picture", interrupted)
    result = run("predict", "photos/*.jpg", "--weights", fake_model)
    assert result.status == 130
    assert result.err == "votepose: stopped; the results so far are kept\n"
    assert result.out.startswith("2 images, 4 people, 1 not done")
    assert len(records(Path("out"))) == 2


def test_ctrl_c_promises_no_results_where_none_are_kept(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("votepose.commands.explain.run", interrupted)
    assert run("explain", "a.jpg") == Result(130, "", "votepose: stopped\n")


def test_a_full_disk_is_one_line(
    run: Callable[..., Result], photos: Path, fake_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out/1.jpg")

    monkeypatch.setattr(votepose.outputs.pictures, "save_picture", full)
    result = run("predict", "photos/*.jpg", "--weights", fake_model)
    assert result.status == 2
    assert result.err == "votepose: error: out/1.jpg: No space left on device\n"


def test_mistakes_are_one_line_and_2(run: Callable[..., Result], photos: Path, fake_model: Path) -> None:
    Path("file").touch()
    Path("empty").mkdir()
    weights = ("--weights", fake_model)
    for argv, said in [
        (("predict",), "no inputs given"),
        (("predict", "missing.jpg"), "missing.jpg: no such file"),
        (("predict", "empty"), "empty: no images or videos in it"),
        (("predict", "photos/*.jpg", "--weights", "none.onnx"), "none.onnx: no such weights"),
        (("predict", "photos/*.jpg", "--weights", photos / "1.jpg"), "1.jpg: is not an ONNX model"),
        (("predict", "photos/*.jpg", *weights, "--out", "file"), "file: is a file or lies in one"),
        (("predict", "photos/*.jpg", *weights, "--device", "tpu"), "no device 'tpu'"),
        (("predict", "photos/*.jpg", *weights, "--device", "openvino"), "install onnxruntime-openvino in its place"),
        (("predict", "photos/*.jpg", *weights, "--input-size", "100"), "multiple of 32"),
        (("predict", "photos/*.jpg", *weights, "--score-threshold", "7"), "[0, 1]"),
        (("predit",), "did you mean 'predict'?"),
        (("xyz",), "the commands are predict, "),
    ]:
        result = run(*argv)
        assert result.status == 2
        assert result.err.startswith("votepose: error: ")
        assert said in result.err
        assert result.err.count("\n") == 1
    assert run("predict", "photos/*.jpg", "--no-such-option").status == 2


def test_a_failure_before_any_picture_leaves_no_output(run: Callable[..., Result], photos: Path) -> None:
    assert run("predict", photos, "--weights", "none.onnx", "--out", "new").status == 2
    assert not Path("new").exists()


def test_help_and_version(run: Callable[..., Result]) -> None:
    assert all(name in run("--help").out for name in cli.COMMANDS)
    assert run("--help").status == 0
    assert run().status == 2
    assert run("--version").out == f"votepose {votepose.__version__}\n"
    assert "--fail-fast" in run("predict", "--help").out


def test_commands_are_modules_with_a_config_and_a_run(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass(frozen=True)
    class InfoConfig:
        number: int = 1

    module = types.ModuleType("votepose.commands.info")
    module.InfoConfig = InfoConfig  # type: ignore[attr-defined]
    module.run = lambda config: print(config.number)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "votepose.commands.info", module)
    assert run("info", "--number", "7") == Result(0, "7\n", "")


@pytest.mark.parametrize("command", ["train", "evaluate", "ablate", "export"])
def test_without_the_train_extra_a_command_says_what_to_install(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def missing(name: str) -> types.ModuleType:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(cli.importlib, "import_module", missing)
    result = run(command)
    assert result.status == 2
    assert 'pip install ".[train]"' in result.err
    assert result.err.count("\n") == 1


def test_a_reader_who_leaves_is_no_error() -> None:
    code = "import sys; from votepose.commands.main import main; sys.exit(main(['--help']))"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_python_m_votepose_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "votepose", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"votepose {votepose.__version__}\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("--teach", "--stage"),
        ("--witness-weights", "--aux-weights"),
        ("--evaluate-pictures", "--evaluate-images"),
        ("--crop_pictures", "--crop-images"),
    ],
)
def test_an_option_that_was_renamed_is_one_line_that_names_the_new(
    capsys: pytest.CaptureFixture[str], old: str, new: str
) -> None:
    assert cli.main(["train", "--data", "x", f"{old}=y"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{old} is now called {new}" in error
