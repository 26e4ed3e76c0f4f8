"""Parses arguments into a command's `<Name>Config` with tyro; `--help` groups the options and hides Python values."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Annotated, Any, TypeVar, get_type_hints

import tyro
from tyro.constructors import (
    MISSING_NONPROP,
    ConstructorRegistry,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

from votepose.errors import VoteposeError

Config = TypeVar("Config")
Groups = Mapping[str, Sequence[str]]

_MARKERS = (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes, tyro.conf.DisallowNone)
_PYTHON_VALUES = ("None", "False", "True", "")


def parse(kind: type[Config], command: str, argv: Sequence[str], groups: Groups) -> Config:
    """Parse `argv` into a `kind`.

    Args:
        kind: a dataclass; a field's docstring is its option's help text.
        command: name of the command.
        argv: the arguments after the command's name.
        groups: title -> fields of `kind` that `--help` shows under it. A nested dataclass forms its own group.

    Raises:
        VoteposeError: if an argument is unknown, missing or of the wrong kind.
        SystemExit: 0 after `--help`.
    """
    registry = ConstructorRegistry()
    registry.struct_rule(_Layout(kind, groups))
    about = " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())
    prog, printed = f"votepose {command}", io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            return tyro.cli(kind, prog=prog, description=about, args=argv, config=_MARKERS, registry=registry)
    except SystemExit as stop:
        if not stop.code:
            raise
    raise VoteposeError(_in_one_line(printed.getvalue(), prog, options_of(kind)))


def options_of(kind: type) -> frozenset[str]:
    """The command-line options of a dataclass and its nested dataclasses."""
    names: set[str] = set()
    types, annotated = get_type_hints(kind), get_type_hints(kind, include_extras=True)
    for one in fields(kind):
        if is_dataclass(types[one.name]):
            names |= options_of(types[one.name])
        elif tyro.conf.Positional not in getattr(annotated[one.name], "__metadata__", ()):
            names.add(f"--{'no-' if one.default is True else ''}{one.name.replace('_', '-')}")
    return frozenset(names)


def _in_one_line(box: str, prog: str, options: Collection[str]) -> str:
    """The error in a box printed by tyro: a title, the reason, and help texts between rules."""
    rows = [row.strip(" │╭╮╰╯") for row in re.sub(r"\x1b\[[\d;]*m", "", box).splitlines()[1:]]
    parts = re.split(r"^[─-]{8,}$", "\n".join(rows), flags=re.MULTILINE)
    reason = next(filter(None, (" ".join(part.split()) for part in parts)), "unusable arguments")
    number = r"Error parsing (\S+): (?:no type matching|invalid literal for|could not convert string to) (int|float)"
    if found := re.match(rf"{number}\b.*?'(.*?)'(?:\]|$)", reason, re.IGNORECASE):
        option, what, given = found.groups()
        return f"{option} should be a {'whole ' * (what.lower() == 'int')}number, but is {given}"
    if found := re.match(r"invalid choice '(.*)' for argument '(\S+)'\. Expected one of \((.*)\)", reason):
        given, option, choices = found.groups()
        known = [choice for choice in re.findall(r"'(.*?)'", choices) if choice not in _PYTHON_VALUES]
        return f"{option} should be one of {', '.join(known)}, but is {given}"
    if found := re.match(r"Missing value for argument '(\S+)'", reason):
        return f"{found[1]} needs a value"
    if found := re.match(r"Missing from [^:]*: (\S+) (?:\[.*\] |[A-Z]+ )?(.*?)\.? (?:\(required\)|[A-Z])", reason):
        return f"`{prog}` needs {found[1]}: {found[2]}"
    if found := re.match(r"Unrecognized options: (.*)", reason):
        words = found[1].split(", ")
        name = next((word for word in words if word.startswith("-")), words[0])
        close = difflib.get_close_matches(name, options, n=1)
        hint = f"did you mean {close[0]}?" if close else f"see `{prog} --help`"
        return f"{name}: not an {'option' if name.startswith('-') else 'argument'} of `{prog}`; {hint}"
    return f"{reason}; see `{prog} --help`"


@dataclass
class _Layout:
    """A tyro rule that shows the options of `kind` in groups and with shorter texts."""

    kind: type
    groups: Groups
    reading: bool = False
    grouped: dict[type, StructConstructorSpec] = field(default_factory=dict)

    def __call__(self, info: StructTypeInfo) -> StructConstructorSpec | None:
        if info.type in self.grouped:
            return self.grouped[info.type]
        if self.reading or not is_dataclass(info.type):
            return None  # leave it to tyro's own rules
        self.reading = True
        spec = ConstructorRegistry.get_struct_spec(info)
        self.reading = False
        if not isinstance(spec, StructConstructorSpec):
            return None
        spec = replace(spec, fields=tuple(map(_shown, spec.fields)))
        return self._in_groups(spec) if info.type is self.kind else spec

    def _in_groups(self, spec: StructConstructorSpec) -> StructConstructorSpec:
        grouped = {name for names in self.groups.values() for name in names}
        rest = [option for option in spec.fields if option.name not in grouped]
        structs = [option for option in rest if is_dataclass(get_type_hints(self.kind)[option.name])]
        top = [option for option in rest if option not in structs]
        groups = [self._group(title, spec.fields) for title in self.groups]
        return StructConstructorSpec(self._build, (*top, *groups, *structs))

    def _group(self, title: str, options: Sequence[StructFieldSpec]) -> StructFieldSpec:
        group = type(title, (), {})
        self.grouped[group] = StructConstructorSpec(dict, tuple(o for o in options if o.name in self.groups[title]))
        return StructFieldSpec(title, group, MISSING_NONPROP)

    def _build(self, **values: Any) -> Any:
        for title in self.groups:
            values |= values.pop(title)
        return self.kind(**values)


def _shown(option: StructFieldSpec) -> StructFieldSpec:
    """The option with its text in one paragraph, and its default only if a user could type it."""
    hint: Any = tyro.conf.arg(help_behavior_hint=lambda text: "" if text in _PYTHON_VALUES else f"(default: {text})")
    text = option.helptext

    def paragraph() -> str | None:
        found = text() if callable(text) else text
        return None if found is None else " ".join(found.split())

    annotated: Any = Annotated[option.type, hint]
    return replace(option, type=annotated, helptext=paragraph)
