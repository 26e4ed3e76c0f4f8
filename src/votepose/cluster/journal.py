"""Records the image that a worker was processing when it died, so that one that crashes workers cannot block a run.

Ray restarts a dead worker with the same chunk: for ever, if an image crashes a decoder or needs more memory than there
is. So a worker that begins a chunk writes a journal, and one that finds a journal proceeds carefully: one image at a
time, noting each before it is read.
"""

from __future__ import annotations

import json

from votepose.cluster import files

DEATHS = 2  # on one image: a machine lost by chance should not condemn it


class Journal:
    """Of one chunk.

    Args:
        name: of the file.

    Attributes:
        careful: whether an earlier worker began the chunk and did not finish it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.careful = files.exists(name)
        self._deaths: dict[str, int] = {}
        if self.careful:
            note = json.loads(files.read(name))
            self._deaths = note["deaths"]
            if note["at"] is not None:
                self._deaths[str(note["at"])] = self._deaths.get(str(note["at"]), 0) + 1
        self._write(None)

    def touch(self, place: int) -> None:
        """Note that image number `place` of the chunk is next."""
        if self.careful and not self.condemned(place):
            self._write(place)

    def condemned(self, place: int) -> bool:
        """Whether too many workers died on it."""
        return self._deaths.get(str(place), 0) >= DEATHS

    def close(self) -> None:
        """The chunk is done."""
        system, path = files.file_system(self._name)
        files.remove(path, system)

    def _write(self, at: int | None) -> None:
        files.write(self._name, json.dumps({"at": at, "deaths": self._deaths}).encode())
