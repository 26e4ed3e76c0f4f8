"""Text is UTF-8 whatever the locale: no file is opened as text without saying so."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from votepose.data.coco_writer import write_coco
from votepose.data.toy import synthetic_dataset

ROOT = Path(__file__).parents[1]
FILES = [path for folder in ("src", "scripts", "benchmarks", "research") for path in (ROOT / folder).rglob("*.py")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_files_name_their_encoding(path: Path) -> None:
    assert not list(_without_encoding(ast.parse(path.read_bytes())))


def _without_encoding(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(word.arg == "encoding" for word in node.keywords):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        builtin = isinstance(node.func, ast.Name)
        modes = [a.value for a in [*node.args, *(word.value for word in node.keywords)] if isinstance(a, ast.Constant)]
        binary = any(isinstance(mode, str) and "b" in mode for mode in modes)
        if name in ("read_text", "write_text") or (builtin and name == "open" and not binary):
            yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a byte order mark"])
def test_labels_are_read_as_utf_8_in_an_ascii_locale(tmp_path: Path, start: bytes) -> None:
    write_coco(synthetic_dataset(2, 64), tmp_path)
    path = tmp_path / "annotations.json"
    labels = json.loads(path.read_bytes()) | {"info": {"description": "Größe 人"}}
    path.write_bytes(start + json.dumps(labels, ensure_ascii=False).encode())
    code = f"""
import locale
from pathlib import Path
from votepose.data.labelled import load_labelled
assert "utf" not in locale.getpreferredencoding(False).lower()
print(len(load_labelled(Path({str(tmp_path)!r})).samples))
"""
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert done.stdout == b"2\n", done.stderr
