"""A text file of entries, one a line, that is never seen half-written and can be gone on with."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from votepose.errors import VoteposeError


class GrowingFile:
    """Grows as `path`.partial, an entry at a time, and becomes `path` at the end. Nothing of it stays in memory.

    The tail is written with each entry and overwritten by the next, so that a full disk can still be left with a valid
    file.

    Args:
        path: of the file.
        head, separator, tail: what is written before, between and after the entries.
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
        """Start with the entries that an earlier run left, up to the first that `keep` refuses.

        What a run that was killed left as `path`.partial counts, else `path`; an entry that was cut short goes.

        Raises:
            VoteposeError: if an entry is no JSON object.
        """
        if not self.partial.exists() and not self.path.exists():
            return self.begin()
        copied = not self.partial.exists()
        if copied:
            copy = self.partial.with_name(self.partial.name + ".new")
            shutil.copyfile(self.path, copy)
            os.replace(copy, self.partial)
        self._file = open(self.partial, "r+b", buffering=0)  # noqa: SIM115  (closed by `close`)
        self._whole = min(len(self._head), os.fstat(self._file.fileno()).st_size)
        try:
            for entry, end in self._scan():
                if not keep(entry):
                    break
                self.entries, self._whole = self.entries + 1, end
        except VoteposeError:
            self._file.close() if not copied else self.discard()
            raise
        self._write(self._whole, b"") if self.entries else self._write(0, self._head)

    def append(self, entry: str) -> None:
        """Add an entry, without line ends of its own. Raises OSError if it cannot be written."""
        # a name that is no text (surrogates) goes back to the bytes that it came from
        data = (self._separator if self.entries else b"") + entry.encode("utf-8", "surrogateescape")
        self.entries += 1
        try:
            self._write(self._whole, data)
        except BaseException:
            self.entries -= 1
            raise

    @property
    def mark(self) -> tuple[int, int]:
        """Where it stands, for `back_to`."""
        return self.entries, self._whole

    def back_to(self, mark: tuple[int, int]) -> None:
        """Forget the entries that came after the mark."""
        self.entries, self._whole = mark

    def close(self) -> None:
        """Finish the file and give it its name."""
        self._write(self._whole, b"")  # an entry that was cut short by a full disk or Ctrl-C goes
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self.partial, self.path)

    def discard(self) -> None:
        """Leave the file as it was before."""
        self._file.close()
        self.partial.unlink(missing_ok=True)

    def _write(self, place: int, data: bytes) -> None:
        """Let the file be what it is up to `place`, `data`, and the tail."""
        whole = data + (self._tail if self.entries or self._head else b"")
        self._file.seek(place)
        if self._file.write(whole) != len(whole):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self._file.truncate()
        self._whole = place + len(data)

    def _scan(self) -> Iterator[tuple[dict[str, Any], int]]:
        """The entries that are whole, and where each ends."""
        ending = self._separator.strip()
        with open(self.partial, "rb") as file:
            file.seek(len(self._head))
            start = len(self._head)
            for line in file:
                entry = line.rstrip(b"\n").removesuffix(ending) if ending else line.rstrip(b"\n")
                try:
                    value = json.loads(entry)
                except ValueError:
                    if line.endswith(b"\n") and entry.startswith(b"{"):
                        message = f"{self.path}: cannot be gone on with, byte {start} is in a broken line"
                        raise VoteposeError(f"{message}; leave out --resume, or choose another --out") from None
                    return  # the tail, or an entry that was cut short
                if not isinstance(value, dict):
                    return
                yield value, start + len(entry)
                start += len(line)
