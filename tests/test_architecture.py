"""The code keeps to docs/architecture.md: every folder is in its table of layers, and imports only point upwards."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/votepose"


def layers() -> dict[str, int]:
    """Module or folder of the package -> number of its layer, from the table in the documentation."""
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    return {name: int(number) for number, cell in rows for name in re.findall(r"`(\w+)`", cell)}


def room(path: Path) -> str:
    """The module or folder directly below the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """The modules and folders of the package that a file imports, wherever in the file; not its own."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "votepose":
            inside = (node.module or "").split(".")[1:]
            yield from inside[:1] or (name.name for name in node.names if not name.name.startswith("_"))
        elif isinstance(node, ast.Import):
            yield from (name.name.split(".")[1] for name in node.names if name.name.startswith("votepose."))


def imported_modules(path: Path) -> Iterator[str]:
    """The dotted names of votepose's modules that a file may import, whether a name is a module or in one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{name.name}" for name in node.names))
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if not path.stem.startswith("__") or path.parent != PACKAGE]


def test_every_folder_has_a_layer() -> None:
    assert set(layers()) == {room(path) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_to_the_same_layer_or_upwards(path: Path) -> None:
    layer = layers()
    assert not [name for name in imported(path) if layer[name] > layer[room(path)]]


def test_folders_form_no_cycle() -> None:
    graph = {name: set[str]() for name in layers()}
    for path in FILES:
        graph[room(path)] |= set(imported(path)) - {room(path)}
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_modules_form_no_cycle() -> None:
    names = {".".join(["votepose", *path.relative_to(PACKAGE).with_suffix("").parts]): path for path in FILES}
    graph = {name: set(imported_modules(path)) & names.keys() for name, path in names.items()}
    TopologicalSorter(graph).prepare()


def test_a_broken_rule_is_found(tmp_path: Path) -> None:
    """An import that points down, wherever it hides, and a cycle."""
    low = tmp_path / "oks.py"
    low.write_text("def late():\n    from votepose.training.fit import fit\n    import votepose.data.labelled\n")
    below = [name for name in imported(low) if layers()[name] > layers()["oks"]]
    assert below == ["training", "data"]
    with pytest.raises(CycleError):
        TopologicalSorter({"oks": {"training"}, "training": {"oks"}}).prepare()
