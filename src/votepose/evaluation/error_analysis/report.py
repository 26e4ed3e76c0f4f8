"""Tables of numbers and a report of tables, as Markdown and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """A table of numbers.

    Attributes:
        key: name in the json.
        title: heading.
        columns: names of the columns; the first column names the rows.
        rows: rows with one cell per column.
        note: text below the heading, if any.
    """

    key: str
    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    note: str = ""

    def to_markdown(self) -> str:
        """The table with its heading and note."""
        lines = [f"### {self.title}", ""] + ([self.note, ""] if self.note else [])
        lines += [f"| {' | '.join(self.columns)} |", f"|---{'|---:' * (len(self.columns) - 1)}|"]
        gains = [name.startswith("gain") for name in self.columns]
        for row in self.rows:
            lines.append(f"| {' | '.join(_text(cell, gain) for cell, gain in zip(row, gains, strict=True))} |")
        return "\n".join(lines)

    def to_json(self) -> list[dict[str, Cell]]:
        """One dict per row, by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Report:
    """A short summary, facts by name, and the tables."""

    head: str
    facts: dict[str, Any]
    tables: list[Table]

    def to_markdown(self) -> str:
        return "\n\n".join([self.head, *(table.to_markdown() for table in self.tables)])

    def to_json(self) -> dict[str, Any]:
        return {**self.facts, "tables": {table.key: table.to_json() for table in self.tables}}


def _text(cell: Cell, gain: bool) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:+.3f}" if gain else f"{cell:.3f}"
    return str(cell)
