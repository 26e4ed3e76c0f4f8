"""Assigns images to chunks. The assignment is saved, so that a resumed run, or a late worker of a stopped run, can only
write the same records into the same file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from votepose.cluster import files
from votepose.errors import VoteposeError
from votepose.io.settings import read_note, require_same_settings

MOST = 256  # images per chunk, and so the most work that a dying worker loses
_ELSE = "choose another --out"
LEAST = 16  # images per chunk where there are few: they take about as long as starting a worker
SHARES = 64  # minimum number of chunks that hold more, to keep many workers busy


@dataclass(frozen=True)
class Chunk:
    """Images that are processed together and whose records form one file.

    Attributes:
        part: number of the chunk.
        images: names of the images, as given.
    """

    part: int
    images: tuple[str, ...]

    @property
    def stem(self) -> str:
        """Name of the chunk's files, without suffix."""
        return f"part-{self.part:05d}"


def make_plan(out: str, images: Sequence[str], size: int | None = None) -> list[Chunk]:
    """The chunks that contain `images`: those of earlier runs, and new ones for new images, which are saved.

    Args:
        out: folder of the results.
        images: names, without duplicates.
        size: images per new chunk; None for `LEAST` to `MOST`, fewer if there are few images.
    """
    chunks = _read(out)
    known = {name for chunk in chunks for name in chunk.images}
    fresh = [name for name in images if name not in known]
    if fresh:
        size = size or max(LEAST, min(MOST, len(fresh) // SHARES))
        first = max((chunk.part for chunk in chunks), default=-1) + 1
        cut = [tuple(fresh[start : start + size]) for start in range(0, len(fresh), size)]
        new = [Chunk(first + k, names) for k, names in enumerate(cut)]
        lines = (json.dumps({"part": chunk.part, "images": chunk.images}) for chunk in new)
        files.write(f"{out}/plan/{first:05d}.jsonl", "\n".join([*lines, ""]).encode())
        chunks += new
    wanted = set(images)
    return [chunk for chunk in chunks if not wanted.isdisjoint(chunk.images)]


def left_of(out: str, chunks: Sequence[Chunk]) -> list[Chunk]:
    """The chunks whose records do not exist yet."""
    done = set(files.in_folder(f"{out}/records", ".jsonl"))
    return [chunk for chunk in chunks if f"{chunk.stem}.jsonl" not in done]


def check_settings(out: str, settings: Mapping[str, Any]) -> None:
    """Save the settings that the results depend on. Raises VoteposeError if those of earlier results differ."""
    note = f"{out}/plan/run.json"
    if not files.exists(note):
        files.write(note, json.dumps({"settings": dict(settings)}).encode() + b"\n")
        return
    before = read_note(files.read(note), note, _ELSE).get("settings")
    require_same_settings(before, settings, f"{out}: its records were", _ELSE)


def _read(out: str) -> list[Chunk]:
    chunks = []
    for name in files.in_folder(f"{out}/plan", ".jsonl"):
        try:
            for line in files.read(f"{out}/plan/{name}").splitlines():
                entry = json.loads(line)
                chunks.append(Chunk(int(entry["part"]), tuple(entry["images"])))
        except (ValueError, KeyError, TypeError):
            raise VoteposeError(f"{out}/plan/{name}: is broken; choose another --out") from None
    return chunks
