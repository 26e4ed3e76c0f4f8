"""Remarks on labelled data: what is left out, and what is used after an adjustment."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

_DETAIL = re.compile(r"'[^']*'|\"[^\"]*\"|\([^)]*\)|\bnan\b|\d+(\.\d+)?(x\d+)?")


@dataclass(frozen=True)
class Remark:
    """A remark on data.

    Attributes:
        problem: what is wrong and what was done about it.
        adjusted: whether the data is used after an adjustment; otherwise an image or label is left out.
        place: the image, file or line; empty for the whole dataset.
    """

    problem: str
    adjusted: bool = False
    place: str = ""

    def at(self, place: str) -> Remark:
        """The remark at a place, which may contain its own."""
        return replace(self, place=f"{place}, {self.place}" if self.place else place)

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}" if self.place else self.problem


@dataclass(frozen=True)
class RemarkCount:
    """Remarks of one kind.

    Attributes:
        first: the first of them. count: number of remarks.
    """

    first: Remark
    count: int

    def __str__(self) -> str:
        return str(self.first) if self.count == 1 else f"{self.first} (and {self.count - 1} more like this)"


def count_remarks(remarks: Iterable[Remark]) -> list[RemarkCount]:
    """The kinds of remarks, in order of first occurrence. Remarks that differ only in places, names and numbers are one
    kind."""
    kinds: dict[tuple[str, bool], RemarkCount] = {}
    for remark in remarks:
        kind = _DETAIL.sub("", remark.problem), remark.adjusted
        known = kinds.get(kind, RemarkCount(remark, 0))
        kinds[kind] = replace(known, count=known.count + 1)
    return list(kinds.values())
