"""A progress bar on stderr with the rate and the time left, shown only on a terminal."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import Self, TextIO, TypeVar

Item = TypeVar("Item")

_WIDTH = 32  # characters of the bar itself
_NAME = 24  # maximum characters of the name, so that the numbers fit on a line of 80
_INTERVAL = 0.1  # seconds between two drawings


class Bar:
    """Shows `what ━━━━───── 12/40 3.1/s 0:09` on one line, which is erased at the end of the `with` block.

    Bars may be nested: the inner one uses the line while it is active.

    Args:
        what: name of the work, such as "predict"; the middle of a long one is left out.
        total: number of steps, if known.
        done: number of steps done before, which do not count towards the rate.
        shown: whether to show the bar at all.
        file: the terminal; None for stderr.
    """

    def __init__(
        self, what: str, total: int | None = None, done: int = 0, shown: bool = True, file: TextIO | None = None
    ) -> None:
        self.what = what if len(what) <= _NAME else f"{what[: _NAME // 2 - 1]}…{what[-_NAME // 2 :]}"
        self.total, self.done = total, done
        self._file = file or sys.stderr
        self._shown = shown and self._file.isatty()
        self._before, self._started = done, time.perf_counter()
        self._drawn = 0.0

    def __enter__(self) -> Self:
        self._draw()
        return self

    def __exit__(self, *_: object) -> None:
        self.hide()

    def hide(self) -> None:
        """Erase the line, so that other text can be printed; the next step redraws it."""
        if self._shown:
            self._write("")

    def advance(self, steps: int = 1) -> None:
        """Count `steps` more steps as done."""
        self.done += steps
        if self._shown and time.perf_counter() - self._drawn >= _INTERVAL:
            self._draw()

    def line(self, seconds: float) -> str:
        """The text of the bar `seconds` after its start."""
        here = self.done - self._before
        rate = here / seconds if here and seconds > 0 else 0.0
        parts = [self.what]
        if self.total:
            full = min(_WIDTH, _WIDTH * self.done // self.total)
            parts += ["━" * full + "─" * (_WIDTH - full)]
        parts += [f"{self.done}/{self.total}" if self.total is not None else f"{self.done}"]
        parts += [f"{rate:.1f}/s"] if rate else []
        parts += [_clock((self.total - self.done) / rate)] if rate and self.total and self.total > self.done else []
        return " ".join(parts)

    def _draw(self) -> None:
        if self._shown:
            self._drawn = time.perf_counter()
            self._write(self.line(self._drawn - self._started))

    def _write(self, line: str) -> None:
        """Overwrite the line, padded with spaces, since some terminals lack the codes that clear it."""
        width = shutil.get_terminal_size().columns - 1  # a full line would wrap
        encoding = self._file.encoding or "ascii"
        line = line[:width].encode(encoding, "replace").decode(encoding)
        self._file.write(f"\r{line:{width}}\r{line}")
        self._file.flush()


def track(items: Iterable[Item], what: str, total: int | None = None, shown: bool = True) -> Iterator[Item]:
    """Iterate over the items with a bar that counts them; `total` defaults to their `len`."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Bar(what, total, shown=shown) as bar:
        for item in items:
            yield item
            bar.advance()


def _clock(seconds: float) -> str:
    """1:02:03, or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
