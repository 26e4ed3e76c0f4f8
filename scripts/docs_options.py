"""An mkdocs hook: `<!-- options: votepose.commands.explain.ExplainConfig -->` becomes a table of options.

The table is read from the source by griffe (a dependency of mkdocstrings): names, defaults and docstrings of the
dataclass, from the docstring below each field or an `Attributes:` section. Nothing is imported, so torch is not needed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import griffe

_MARK = re.compile(r"^<!-- options: ([\w.]+) -->$", re.MULTILINE)
_SOURCE = Path(__file__).parents[1] / "src"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs with the text of each page."""
    return _MARK.sub(lambda match: options_table(match[1]), markdown)


def options_table(path: str) -> str:
    """Markdown table of the fields of the dataclass at `path`; undocumented fields have name and default only."""
    module, _, name = path.rpartition(".")
    config = griffe.load(module, search_paths=[_SOURCE])[name]
    fields = {k: v for k, v in config.attributes.items() if "instance-attribute" in v.labels and v.annotation}
    described = _attributes(config, list(fields))
    rows = ["| option | default | |", "|---|---|---|"]
    for key, field in fields.items():
        text = field.docstring.value if field.docstring else described.get(key, "")
        text = " ".join(text.split()).replace("|", "&#124;")
        rows.append(f"| `{_flag(key, field)}` | {_default(config, field)} | {text} |")
    return rows


def _attributes(config: Any, names: list[str]) -> dict[str, str]:
    """The class docstring's text on each field; `a, b: text` describes both, and a line may describe several."""
    text = " ".join(config.docstring.value.partition("Attributes:")[2].split())
    one = "|".join(map(re.escape, names))
    pieces = re.split(rf"(?<!\w)((?:{one})(?:, (?:{one}))*): ", text)
    return {name: text for keys, text in zip(pieces[1::2], pieces[2::2], strict=True) for name in keys.split(", ")}


def _flag(key: str, field: Any) -> str:
    if "Positional" in str(field.annotation):
        return key.upper()
    return f"--{'no-' * (str(field.value) == 'True')}{key.replace('_', '-')}"


def _default(config: Any, field: Any) -> str:
    value = str(field.value)
    if field.value is None and "Positional" not in str(field.annotation):
        return "(needed)"
    if value in ("None", "False", "True", "()") or value.endswith("Config()"):
        return ""
    if value.isidentifier():  # a constant, maybe of another module
        value = str(griffe.load(config.resolve(value).rpartition(".")[0], search_paths=[_SOURCE])[value].value)
    if other := re.fullmatch(r"(\w+)\.\w+Config\.\w+", value):
        return f"as for {other[1]}"
    value = re.sub(r"^Path\((.*)\)$", r"\1", value)
    bare = re.sub(r"[\"'(),]", "", value)
    return f"`{bare}`"
