"""Counts remarks on data, in the form `NAME: problem`, by kind."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_ADJUSTED = re.compile(  # endings of such remarks
    r"(; clipped|were scaled|read once|read as one|taken from its box|taken to be \d+ pixels|, the only one"
    r"|taken as without people|otherwise as visible)$"
)
_DETAIL = re.compile(r"'[^']*'|\"[^\"]*\"|\([^)]*\)|\bnan\b|\d+(\.\d+)?(x\d+)?")


@dataclass(frozen=True)
class Remarks:
    """Remarks of one kind.

    Attributes:
        first: the first of them. count: number of remarks.
    """

    first: str
    count: int

    def __str__(self) -> str:
        return self.first if self.count == 1 else f"{self.first} (and {self.count - 1} more like this)"

    @property
    def adjusted(self) -> bool:
        """Whether the data is used after an adjustment; otherwise an image or label is left out."""
        return bool(_ADJUSTED.search(self.first))


def count_remarks(lines: Iterable[str]) -> list[Remarks]:
    """The kinds of remarks, in order of first occurrence. Remarks that differ only in names and numbers are one
    kind."""
    kinds: dict[str, tuple[str, int]] = {}
    for line in lines:
        kind = _DETAIL.sub("", line.partition(": ")[2] or line)
        first, count = kinds.get(kind, (line, 0))
        kinds[kind] = first, count + 1
    return [Remarks(first, count) for first, count in kinds.values()]
