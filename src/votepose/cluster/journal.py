"""Records the image that a worker is processing, so that an image that crashes workers cannot block a run.

Ray restarts a dead worker with the same chunk, which would never end if an image crashes a decoder or needs more memory
than there is. So a worker writes a journal when it starts a chunk. If it finds one from an earlier worker, it processes
one image at a time and records each before reading it.
"""

from __future__ import annotations

import json

from votepose.cluster import files

DEATHS = 2  # deaths before an image is skipped: one may be caused by a lost machine


class Journal:
    """The journal of one chunk.

    Args:
        name: name of the file.

    Attributes:
        careful: whether an earlier worker started the chunk without finishing it.
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
        """Record that image number `place` of the chunk is next."""
        if self.careful and not self.condemned(place):
            self._write(place)

    def condemned(self, place: int) -> bool:
        """Whether too many workers died on this image."""
        return self._deaths.get(str(place), 0) >= DEATHS

    def close(self) -> None:
        """Remove the journal: the chunk is done."""
        system, path = files.file_system(self._name)
        files.remove(path, system)

    def _write(self, at: int | None) -> None:
        files.write(self._name, json.dumps({"at": at, "deaths": self._deaths}).encode())
