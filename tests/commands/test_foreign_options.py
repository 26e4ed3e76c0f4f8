"""Options of other tools are answered with options that exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from PIL import Image

from votepose.commands import main as cli
from votepose.commands.foreign_options import ANSWERS, answer, named_options, require_own_options
from votepose.commands.parsing import options_of
from votepose.errors import VoteposeError


def options(command: str) -> frozenset[str]:
    module = importlib.import_module(f"votepose.commands.{command}")
    return options_of(getattr(module, f"{command.capitalize()}Config"))


@pytest.mark.parametrize("option", ANSWERS)
def test_every_answer_is_given_by_some_command_and_names_only_options_that_it_has(option: str) -> None:
    given = {
        command: answer(command, option, options(command)) for command in cli.COMMANDS if option not in options(command)
    }
    assert set(ANSWERS[option]) <= set(given.values())
    for command, text in given.items():
        assert named_options(text) <= options(command)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_options_are_those_of_the_help(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    shown = re.findall(r"^[│ ] (?:-\w \w+, )?(--[a-z][a-z-]*)", capsys.readouterr().out, re.MULTILINE)
    assert set(shown) == options(command)


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["predict", "x.jpg", "--conf", "0.3"], "--score-threshold"),
        (["predict", "x.jpg", "--imgsz=640"], "--input-size"),
        (["predict", "x.mp4", "--vid_stride", "2"], "--every"),
        (["predict", "x.jpg", "--save-crop"], "--crops FOLDER"),
        (["predict", "x.mp4", "--view-img"], "--show"),
        (["predict", "x.mp4", "--max-det", "3"], "--max-people"),
        (["predict", "imgsz=640"], "--input-size"),
        (["predict", "--source", "x.jpg"], "without an option"),
        (["predict", "x.jpg", "--model", "x.pt"], "--weights"),
        (["predict", "x.jpg", "--device", "0"], "--device cuda:0"),
        (["predict", "x.jpg", "device=cpu"], "--device cpu"),
        (["explain", "x.jpg", "--conf", "0.3"], "--score-threshold"),
        (["evaluate", "--augment"], "--flip-test"),
        (["train", "--epochs", "3"], "--steps"),
        (["train", "--batch", "3"], "--batch-size"),
        (["train", "--device", "0"], "--accelerator"),
        (["train", "--model", "x.pt"], "--weights"),
        (["export", "--half"], "--precision float16"),
    ],
)
def test_an_option_of_another_tool_is_one_line_that_names_ours(
    capsys: pytest.CaptureFixture[str], argv: list[str], told: str
) -> None:
    assert cli.main(argv) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert told in error


def test_what_is_no_option_is_let_through(tmp_path: Path) -> None:
    own = {"--out", "--device"}
    (photo := tmp_path / "conf=1.jpg").touch()
    require_own_options("predict", [str(photo), "https://example.org/?conf=1", "--device", "cuda:0", "--x"], own)
    require_own_options("predict", ["--conf", "1", "--help"], own)
    require_own_options("predict", ["--out", "conf=0.5"], own)
    with pytest.raises(VoteposeError, match="use --crops FOLDER"):
        require_own_options("predict", ["--save-crop"], own | {"--crops"})


def test_weights_for_training_are_to_be_exported_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 64)).save("x.png")
    for name, told in (("my.safetensors", "votepose export --weights my.safetensors --out my.onnx"), ("my.pt", "ONNX")):
        Path(name).touch()
        assert cli.main(["predict", "x.png", "--weights", name]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert told in error
