"""The options of every command, as `--help` shows them."""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from votepose.commands import main as cli
from votepose.commands.parsing import options_of, parse


@dataclass(frozen=True)
class Inner:
    """Inner options."""

    size: int | None = None
    """How large."""


@dataclass(frozen=True)
class Outer:
    """What it does.

    More about it.
    """

    data: Path
    """What to read, which is
    described on two lines."""
    fast: bool = False
    """Be fast."""
    tidy: bool = True
    """Do not be tidy."""
    inner: Inner = field(default_factory=Inner)


def test_groups_change_the_help_only(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--data", "x", "--no-tidy", "--size", "3"]
    expected = Outer(Path("x"), tidy=False, inner=Inner(3))
    assert parse(Outer, "do", argv, {}) == parse(Outer, "do", argv, {"manner": ("fast", "tidy")}) == expected
    with pytest.raises(SystemExit):
        parse(Outer, "do", ["--help"], {"manner": ("fast", "tidy")})
    shown = capsys.readouterr().out
    titles = ("What it does.", " options ", " manner options ", " inner options ")
    places = [shown.index(title) for title in titles]
    assert places == sorted(places)
    assert "What to read, which is described on two lines." in shown
    assert "More about it" not in shown


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_wrong_argument_gets_one_line(
    encoding: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where tyro draws its boxes without Unicode."""
    monkeypatch.setattr(sys.stdout, "reconfigure", lambda **_: None, raising=False)
    monkeypatch.setattr(type(sys.stdout), "encoding", encoding)
    expected = {
        ("predict", "x", "--workers", "1.5"): "--workers should be a whole number, but is 1.5",
        ("predict", "x", "--every", "q"): "--every should be a whole number, but is q",
        ("predict", "x", "--score-threshold", "q"): "--score-threshold should be a number, but is q",
        ("predict", "x", "--engine", "spark"): "--engine should be one of local, ray, but is spark",
        ("predict", "x", "--out"): "--out needs a value",
        ("predict", "x", "--worker", "3"): "--worker: not an option of `votepose predict`; did you mean --workers?",
        ("explain", "a", "b"): "b: not an argument of `votepose explain`; see `votepose explain --help`",
        ("explain",): "`votepose explain` needs IMAGE: An image file",
    }
    for argv, message in expected.items():
        assert cli.main(argv) == 2
        assert capsys.readouterr() == ("", f"votepose: error: {message}\n")


def test_options_of_a_dataclass() -> None:
    assert options_of(Outer) == {"--data", "--fast", "--no-tidy", "--size"}


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_option_has_a_text_and_no_python_value(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    shown = capsys.readouterr().out
    for unwanted in ("None", "False", "True", "default: )"):
        assert unwanted not in shown
    module = importlib.import_module(f"votepose.commands.{command}")
    plain = shown.replace("│", " ")  # a terminal that is not UTF-8 gets no frames
    entries = re.findall(r"^  (?:-\w \w+, )?(--[a-z][a-z-]*)(.*)(?=\n(.*))", plain, re.MULTILINE)
    texts = {name: same.partition("  ")[2].strip() or below.strip() for name, same, below in entries}
    module = importlib.import_module(f"votepose.commands.{command}")
    for option in options_of(getattr(module, f"{command.capitalize()}Config")):
        assert texts[option][0] not in "-(", f"{option} has no text"


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_groups_name_options(command: str) -> None:
    module = importlib.import_module(f"votepose.commands.{command}")
    kind = getattr(module, f"{command.capitalize()}Config")
    names = [name for group in getattr(module, "GROUPS", {}).values() for name in group]
    assert len(names) == len(set(names))
    assert set(names) <= set(kind.__dataclass_fields__)
