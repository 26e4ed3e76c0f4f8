"""The documentation is correct: every snippet runs, every option and link exists.

Each ```sh, ```console or ```python block in README.md or docs/*.md runs in a folder with `photo.jpg`, `holiday/` and
`examples/`, page by page from top to bottom; the Python blocks of a page share their names. In ```console blocks, the
lines after `$ command` are its output, with `...` for anything. `<!-- not run: why -->` just before a block skips it.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import doctest
import functools
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
from PIL import Image

from helpers.scripts_of import script
from votepose import predictor
from votepose.commands import main as cli
from votepose.commands.explain import ExplainConfig

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKED = [*PAGES, ROOT / "CHANGELOG.md", *sorted(ROOT.glob("benchmarks/*.md")), *sorted(ROOT.glob("research/*.md"))]
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<why>[^\n]+?) -->\n)?```(?P<kind>\w+)[^\n]*\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)
RUN = ("sh", "bash", "console", "python")


@dataclass(frozen=True)
class Block:
    """A fenced code block of a page."""

    kind: str
    code: str
    line: int
    why: str | None  # reason for not running it


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(match["kind"], match["code"], text.count("\n", 0, match.start("code")), match["why"])
        for match in BLOCK.finditer(text)
    ]


class RememberingSession:
    """An onnxruntime session that runs the network once per input: the pages show the same two images many times."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.results: dict[Any, list[np.ndarray]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def run(self, outputs: Sequence[str], feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """As of the session; callers get copies."""
        key = tuple(outputs), *((name, value.shape, value.tobytes()) for name, value in feeds.items())
        if key not in self.results:
            self.results[key] = self.session.run(outputs, feeds)
        return [value.copy() for value in self.results[key]]


@pytest.fixture(scope="module", autouse=True)
def one_session() -> Iterator[None]:
    """All snippets share one session per file and options."""
    open_session = predictor.open_session
    with pytest.MonkeyPatch.context() as patch:
        remembered = functools.cache(lambda *options: RememberingSession(open_session(*options)))
        patch.setattr(predictor, "open_session", remembered)
        yield


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the images that the pages mention, and this environment's `votepose` on the path."""
    work, binaries = tmp_path / "work", tmp_path / "bin"
    shutil.copytree(ROOT / "examples", work / "examples")
    (work / "holiday").mkdir()
    for source, target in (("stairs", "photo.jpg"), ("walk", "holiday/walk.jpg")):
        with Image.open(work / f"examples/{source}.jpg") as picture:
            picture.thumbnail((512, 512))  # faster to draw
            picture.save(work / target, quality=92)
    binaries.mkdir()
    (binaries / "votepose").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m votepose "$@"\n')
    (binaries / "votepose").chmod(0o755)
    monkeypatch.setenv("PATH", f"{binaries}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(work)
    return work


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_snippets(page: Path, desk: Path) -> None:
    names: dict[str, Any] = {"__name__": "__docs__"}
    for block in blocks(page):
        if block.kind not in RUN or block.why:
            continue
        place = f"{page.name}, line {block.line}"
        if block.kind == "python":
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile("\n" * block.line + block.code, str(page), "exec"), names)
        elif block.kind == "console":
            run_session(block.code, place)
        else:
            done = shell(block.code)
            assert done.returncode == 0, f"{place}:\n{done.stdout}"


def shell(code: str) -> subprocess.CompletedProcess[str]:
    """Run in bash, both streams in one text. Lines that only call votepose run in this process, which starts faster."""
    if all(re.match(r"votepose [^|<>&;$#]*(#|$)", line) for line in code.splitlines()):
        return in_process(code)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.run(["bash", "-euo", "pipefail", "-c", code], **streams, timeout=120, check=False)


def in_process(code: str) -> subprocess.CompletedProcess[str]:
    """Run `votepose` commands, one per line, until one fails."""
    text, status = io.StringIO(), 0
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        for line in code.splitlines():
            status = status or cli.main(shlex.split(line, comments=True)[1:])
    return subprocess.CompletedProcess(code, status, text.getvalue())


def run_session(code: str, place: str) -> None:
    """Run each `$ command` and compare its output with the lines below it."""
    compare = doctest.OutputChecker().check_output
    for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
        command, _, wanted = part.partition("\n")
        printed = shell(command).stdout
        assert compare(wanted, printed, doctest.ELLIPSIS), f"{place}: $ {command}\nprinted\n{printed}\nnot\n{wanted}"


@pytest.mark.parametrize("page", LINKED, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_commands_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{page.name} links {target}"
    for command in re.findall(r"^votepose (\w+)", "".join(b.code for b in blocks(page)), re.MULTILINE):
        assert command in cli.COMMANDS, f"{page.name}: votepose {command}"


def test_paper_names_what_exists() -> None:
    text = (ROOT / "docs/paper.md").read_text(encoding="utf-8")
    source = ROOT / "src/votepose"
    places = re.findall(r"`([\w/]+\.py)`(?:: ((?:(?:, )?`[\w.]+`)+))?", text)
    assert len(places) > 20
    for file, names in places:
        assert names, f"docs/paper.md: no name beside {file}"
        missing = set(re.findall(r"[\w.]+", names)) - defined(source / file)
        assert not missing, f"docs/paper.md: {file} has no {missing}"
    fields = set().union(*(defined(file) for file in source.rglob("*.py")))
    assert not set(re.findall(r"`(\w+Config\.\w+)`", text)) - fields
    options = {name.partition(".")[2] for name in fields}
    for option in re.findall(r"`(?:votepose \w+ )?--(?:no-)?([a-z-]+)", text):
        assert option.replace("-", "_") in options, f"docs/paper.md: --{option}"


def defined(file: Path) -> set[str]:
    """Functions, classes, constants, methods (`Class.method`) and fields of a module, read from its source."""
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        names |= names_of(node)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{name}" for member in node.body for name in names_of(member)}
    return names


def names_of(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda path: path.name)
def test_pages_begin_with_what_they_are_for(page: Path) -> None:
    assert re.match(r"# .+\n\nAfter this page you ", page.read_text(encoding="utf-8"))


def test_skipped_snippets_say_why() -> None:
    for page in PAGES:
        marks = page.read_text(encoding="utf-8").count("<!-- not run")
        assert marks == sum(block.why is not None for block in blocks(page)), f"{page.name}: a mark without its block"


def test_images_are_small_and_shown() -> None:
    pictures = list((ROOT / "docs/images").iterdir())
    assert sum(picture.stat().st_size for picture in pictures) < 1.5e6
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert not [picture.name for picture in pictures if f"images/{picture.name}" not in text]


def test_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for page in (ROOT / "docs").glob("*.md"):
        assert (tmp_path / "site" / f"{page.stem}.html").is_file(), f"{page.name} is not built"


def test_option_tables_are_the_commands() -> None:
    pytest.importorskip("griffe")
    table = (
        script("docs_options")
        .on_page_markdown("a\n<!-- options: votepose.commands.explain.ExplainConfig -->\nb")
        .splitlines()
    )
    options = [f"--{name.replace('_', '-')}" for name in field_names(ExplainConfig)]
    assert [row.split("`")[1] for row in table[3:-1]] == ["IMAGE", *options[1:]]
    assert "| `--score-threshold` | `0.35` | Minimum score " in "\n".join(table)
    assert (table[0], table[-1]) == ("a", "b")
    limits = script("docs_options").options_table("votepose.commands.serve.ServeConfig")
    assert "| `--max-megabytes` | `16.0` |" in limits  # Limits.max_bytes / MIB


def field_names(config: type) -> Iterator[str]:
    """The options of a command: the fields of its dataclass, and of dataclasses in it."""
    types = get_type_hints(config)
    for field in dataclasses.fields(config):
        if dataclasses.is_dataclass(kind := types[field.name]):
            yield from field_names(kind)
        else:
            yield field.name
