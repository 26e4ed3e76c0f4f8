"""An mkdocs hook: `<!-- options: votepose.commands.explain.ExplainConfig -->` becomes a table of options.

The table is read from the source by griffe (a dependency of mkdocstrings): names, defaults and docstrings of the
dataclass, from the docstring below each field or an `Attributes:` section. A field that is a dataclass itself stands
for its own fields, as on the command line. Nothing is imported, so torch is not needed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe

_MARK = re.compile(r"^<!-- options: ([\w.]+) -->$", re.MULTILINE)
_SOURCE = Path(__file__).parents[1] / "src"


def on_pre_build(**_: Any) -> None:
    """Called by mkdocs before each build, so that `mkdocs serve` picks up edits."""
    _package.cache_clear()


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs with the text of each page."""
    return _MARK.sub(lambda match: options_table(match[1]), markdown)


def options_table(path: str) -> str:
    """Markdown table of the fields of the dataclass at `path`; undocumented fields have name and default only."""
    return "\n".join(["| option | default | meaning |", "|---|---|---|", *_rows(_find(path))])


@functools.cache
def _package() -> Any:
    return griffe.load("votepose", search_paths=[_SOURCE])


def _find(path: str) -> Any:
    return _package()[path.removeprefix("votepose.")]


def _rows(config: Any) -> Iterator[str]:
    fields = {k: v for k, v in config.attributes.items() if "instance-attribute" in v.labels and v.annotation}
    described = _attributes(config, list(fields))
    for key, field in fields.items():
        if nested := _nested(config, field):
            yield from _rows(nested)
            continue
        text = field.docstring.value if field.docstring else described.get(key, "")
        text = " ".join(text.split()).replace("|", "&#124;")
        yield f"| `{_flag(key, field)}` | {_default(config, field)} | {text} |"


def _attributes(config: Any, names: list[str]) -> dict[str, str]:
    """The class docstring's text for each field; `a, b: text` describes both, and a line may describe several."""
    text = " ".join(config.docstring.value.partition("Attributes:")[2].split())
    one = "|".join(map(re.escape, names))
    pieces = re.split(rf"(?<!\w)((?:{one})(?:, (?:{one}))*): ", text)
    return {name: text for keys, text in zip(pieces[1::2], pieces[2::2], strict=True) for name in keys.split(", ")}


def _nested(config: Any, field: Any) -> Any:
    """The dataclass of this package that a field holds, if it does."""
    name = str(field.annotation)
    path = config.resolve(name) if name.isidentifier() and name in config.module.members else ""
    found = _find(path) if path.startswith("votepose.") else None
    return found if found is not None and found.is_class and "dataclass" in found.labels else None


def _flag(key: str, field: Any) -> str:
    annotation = str(field.annotation)
    if "Positional" in annotation:
        named = re.search(r"metavar='(.+?)'", annotation)
        return named[1] if named else key.upper()
    return f"--{'no-' * (str(field.value) == 'True')}{key.replace('_', '-')}"


def _default(config: Any, field: Any) -> str:
    if field.value is None and "Positional" not in str(field.annotation):
        return "(required)"
    value = str(field.value)
    if value in ("None", "False", "True", "()"):
        return ""
    value = re.sub(r"^Path\((.*)\)$", r"\1", _computed(config, value))
    bare = re.sub(r"[\"'(),]", "", value)
    return f"`{bare}`"


def _computed(scope: Any, value: str) -> str:
    """The text of a default; constants and their products, such as `Limits.max_bytes / MIB`, as numbers."""
    if not re.fullmatch(r"[\w.]+( (\*|\*\*|/) [\w.]+)*", value):
        return value

    def constant(match: re.Match[str]) -> str:  # maybe of another module, or a field of a class
        name, _, attribute = match[0].partition(".")
        found = _find(scope.resolve(name))
        found = found[attribute] if attribute else found
        return _computed(found.parent, str(found.value))

    return str(eval(re.sub(r"(?<![\w.])[A-Za-z_][\w.]*", constant, value)))
