"""A text file with one entry per line that is always valid and can be resumed."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from votepose.errors import VoteposeError


class GrowingFile:
    """Written to `path`.partial, one entry at a time, and renamed to `path` at the end. It is never held in memory.

    The tail is written after each entry and overwritten by the next, so the file stays valid even if the disk fills up.

    Args:
        path: path of the file.
        head, separator, tail: text before, between and after the entries.
    """

    def __init__(self, path: Path, head: str = "", separator: str = "\n", tail: str = "\n") -> None:
        self.path = path
        self.partial = path.with_name(path.name + ".partial")
        self._head, self._separator, self._tail = head.encode(), separator.encode(), tail.encode()
        self._file: Any = None
        self.entries = 0
        self._whole = 0  # bytes of complete entries

    def begin(self) -> None:
        """Start empty."""
        self._file = open(self.partial, "w+b", buffering=0)  # noqa: SIM115  (closed by `close`)
        self._write(0, self._head)

    def resume(self, keep: Callable[[dict[str, Any]], bool]) -> None:
        """Start with those of an earlier run's entries that `keep` accepts.

        They are read from `path`.partial, which a killed run leaves, or else from `path`; an incomplete entry is
        dropped.

        Raises:
            VoteposeError: if an entry is not a JSON object.
        """
        earlier = self.partial if self.partial.exists() else self.path
        if not earlier.exists():
            return self.begin()
        fresh = self.partial.with_name(self.partial.name + ".new")
        try:
            self._file = open(fresh, "w+b", buffering=0)  # noqa: SIM115  (closed below)
            self._write(0, self._head)
            for entry, text in self._scan(earlier):
                if keep(entry):
                    self._append(text)
            self._file.close()
            os.replace(fresh, self.partial)
        finally:
            self._file.close()
            fresh.unlink(missing_ok=True)
        self._file = open(self.partial, "r+b", buffering=0)  # noqa: SIM115  (closed by `close`)

    def append(self, entry: str) -> None:
        """Add an entry without line breaks. Raises OSError if it cannot be written."""
        # surrogates, from a file name that is not valid text, become the original bytes again
        self._append(entry.encode("utf-8", "surrogateescape"))

    def _append(self, entry: bytes) -> None:
        data = (self._separator if self.entries else b"") + entry
        self.entries += 1
        try:
            self._write(self._whole, data)
        except BaseException:
            self.entries -= 1
            raise

    @property
    def mark(self) -> tuple[int, int]:
        """The current state, for `back_to`."""
        return self.entries, self._whole

    def back_to(self, mark: tuple[int, int]) -> None:
        """Drop the entries after the mark."""
        self.entries, self._whole = mark

    def close(self, rest: IO[bytes] | None = None, before: bytes = b"") -> None:
        """Finish the file, with `before` and `rest` in place of the tail if given, and rename it to `path`."""
        self._write(self._whole, b"")  # drops an entry that a full disk or Ctrl-C cut short
        if rest is not None:
            with open(self.partial, "r+b") as file:
                file.seek(self._whole)
                file.write(before)
                shutil.copyfileobj(rest, file)
                file.truncate()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self.partial, self.path)

    def discard(self) -> None:
        """Leave `path` as it was before."""
        self._file.close()
        self.partial.unlink(missing_ok=True)

    def _write(self, place: int, data: bytes) -> None:
        """Replace everything from byte `place` on with `data` and the tail."""
        whole = data + (self._tail if self.entries or self._head else b"")
        self._file.seek(place)
        if self._file.write(whole) != len(whole):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self._file.truncate()
        self._whole = place + len(data)

    def _scan(self, file: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
        """The complete entries of an earlier file, each with its text."""
        ending, start = self._separator.strip(), len(self._head)
        with open(file, "rb") as lines:
            lines.seek(start)
            for line in lines:
                entry = line.rstrip(b"\n").removesuffix(ending) if ending else line.rstrip(b"\n")
                try:
                    value = json.loads(entry)
                except ValueError:
                    if line.endswith(b"\n") and entry.startswith(b"{"):
                        message = f"{self.path}: cannot be resumed: the line at byte {start} is broken"
                        raise VoteposeError(f"{message}; leave out --resume, or choose another --out") from None
                    return  # the tail, or an incomplete entry
                if not isinstance(value, dict):
                    return
                yield value, entry
                start += len(line)
